"""Vectors of another embedding model, by its private methods, with its cache and rate limiter.

The public methods would send a second event and count every token twice. The private ones alone
would skip the model's own `embeddings_cache` and `rate_limiter`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding, dispatcher
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.embedding import (
    EmbeddingEndEvent,
    EmbeddingStartEvent,
)

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.serving import adapted
from query_adapters.embedders.identity import identity_of

QUERIES = "query_embeddings"
"""A cache's collection of queries; "embeddings" is keyed by text alone and holds documents."""

if TYPE_CHECKING:
    Host = BaseEmbedding
else:
    # LlamaIndex wraps every override in an embedding class into a span, which costs more than the
    # map itself. These overrides are in a class that is not an embedding class at run time.
    Host = object


class DocumentDelegation(Host):
    """Document vectors of the base, with its cache and rate limiter."""

    if TYPE_CHECKING:
        base_embed_model: BaseEmbedding

    def _get_text_embedding(self, text: str) -> Embedding:
        base = self.base_embed_model
        acquire(base, held=self.rate_limiter)
        if base.embeddings_cache is None:
            return base._get_text_embedding(text)
        return base._get_text_embeddings_cached([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        base = self.base_embed_model
        await aacquire(base, held=self.rate_limiter)
        if base.embeddings_cache is None:
            return await base._aget_text_embedding(text)
        return (await base._aget_text_embeddings_cached([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        base = self.base_embed_model
        acquire(base, held=self.rate_limiter)
        if base.embeddings_cache is None:
            return base._get_text_embeddings(texts)
        return base._get_text_embeddings_cached(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        base = self.base_embed_model
        if self.embeddings_cache is None:
            await aacquire(base, held=self.rate_limiter)
        else:  # with a cache, LlamaIndex's asynchronous batches have acquired no permit yet
            await aacquire(base, self)
        if base.embeddings_cache is None:
            return await base._aget_text_embeddings(texts)
        return await base._aget_text_embeddings_cached(texts)


class QueryDelegation(DocumentDelegation):
    """Document vectors of the base; query vectors of the base, mapped by the adapter.

    Documents use `embeddings_cache` as LlamaIndex does. Queries have a separate collection there,
    keyed by the base's identity, and are stored before the adapter is applied, so that a new
    adapter reuses them.
    """

    if TYPE_CHECKING:

        @property
        def adapter(self) -> QueryAdapter | None: ...

    @dispatcher.span
    def get_query_embedding(self, query: str) -> Embedding:
        """Return the adapted vector of a query."""
        with announced(self, [query]) as vectors:
            vectors.append(self._adapted(query_vector(self.base_embed_model, query, wrapper=self)))
        return vectors[0]

    @dispatcher.span
    async def aget_query_embedding(self, query: str) -> Embedding:
        """Return the adapted vector of a query."""
        with announced(self, [query]) as vectors:
            vectors.append(
                self._adapted(await aquery_vector(self.base_embed_model, query, wrapper=self))
            )
        return vectors[0]

    def _get_query_embedding(self, query: str) -> Embedding:
        base = self.base_embed_model
        return self._adapted(query_vector(base, query, wrapper=base))

    async def _aget_query_embedding(self, query: str) -> Embedding:
        base = self.base_embed_model
        return self._adapted(await aquery_vector(base, query, wrapper=base))

    def _adapted(self, vector: Embedding) -> Embedding:
        return adapted(self.adapter, vector)


@contextmanager
def announced(model: BaseEmbedding, texts: list[str]) -> Iterator[list[Embedding]]:
    """Send the events of an embedding call; the caller appends the vectors to the list."""
    payload = getattr(model, "to_payload", model.to_dict)()  # older cores report the latter
    vectors: list[Embedding] = []
    dispatcher.event(EmbeddingStartEvent(model_dict=payload))
    if not model.callback_manager.handlers:  # the manager would keep the event's id forever
        yield vectors
    else:
        with model.callback_manager.event(
            CBEventType.EMBEDDING, payload={EventPayload.SERIALIZED: payload}
        ) as event:
            yield vectors
            event.on_end(payload={EventPayload.CHUNKS: texts, EventPayload.EMBEDDINGS: vectors})
    dispatcher.event(EmbeddingEndEvent(chunks=texts, embeddings=vectors))


def query_vector(base: BaseEmbedding, query: str, *, wrapper: BaseEmbedding) -> Embedding:
    """Return the base's vector of a query, from the wrapper's or the base's cache if it is there.

    A query that is not cached acquires one permit from each distinct rate limiter.
    """
    cache = base.embeddings_cache if wrapper.embeddings_cache is None else wrapper.embeddings_cache
    if cache is None:
        acquire(base, wrapper)
        return base._get_query_embedding(query)
    key = f"{identity_of(base)} {query}"
    found = cache.get(key=key, collection=QUERIES)
    if found is None:
        acquire(base, wrapper)
        found = {"embedding": base._get_query_embedding(query)}
        cache.put(key=key, val=found, collection=QUERIES)
    vector: Embedding = found["embedding"]
    return vector


async def aquery_vector(base: BaseEmbedding, query: str, *, wrapper: BaseEmbedding) -> Embedding:
    """Return the same as `query_vector`, by the base's asynchronous method."""
    cache = base.embeddings_cache if wrapper.embeddings_cache is None else wrapper.embeddings_cache
    if cache is None:
        await aacquire(base, wrapper)
        return await base._aget_query_embedding(query)
    key = f"{identity_of(base)} {query}"
    found = await cache.aget(key=key, collection=QUERIES)
    if found is None:
        await aacquire(base, wrapper)
        found = {"embedding": await base._aget_query_embedding(query)}
        await cache.aput(key=key, val=found, collection=QUERIES)
    vector: Embedding = found["embedding"]
    return vector


def _limiters(*models: BaseEmbedding, held: Any = None) -> list[Any]:
    """Return each distinct rate limiter of the models once, without the one already acquired."""
    limiters = [model.rate_limiter for model in models if model.rate_limiter is not None]
    return list({id(one): one for one in limiters if one is not held}.values())


def acquire(*models: BaseEmbedding, held: Any = None) -> None:
    for limiter in _limiters(*models, held=held):
        limiter.acquire()


async def aacquire(*models: BaseEmbedding, held: Any = None) -> None:
    for limiter in _limiters(*models, held=held):
        await limiter.async_acquire()
