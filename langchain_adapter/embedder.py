"""A LangChain embedding model as a `TextEmbedder` of the core."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from langchain_adapter._queries import Embed, batch_method
from query_adapters._extras import require_extra
from query_adapters.arrays import as_matrix
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.batching import stacked
from query_adapters.embedders.identity import identity_of, innermost, model_name_of
from query_adapters.embedders.resolve import is_ours
from query_adapters.embedders.role_mixing import warn_of_mixed_roles
from query_adapters.processes.threads import DaemonThreads
from query_adapters.providers.failures import unreadable_answers_of
from query_adapters.providers.secrets import remember_secrets_of
from query_adapters.typing import Vectors

BATCH_SIZE = 64  # below the limit of every provider
CONCURRENCY = 8
NO_CLIENTS = (
    "langchain_core",
    "langchain_adapter",
)  # a default or a wrapper says nothing about the model

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    BaseLike = Embeddings | BaseEmbedding | TextEmbedder | str
else:
    BaseLike = Any


class LangChainEmbedder:
    """A `TextEmbedder` over a LangChain embedding model.

    Documents go in batches of the model's own `chunk_size`, or of 64. LangChain has no batches
    for queries, but some models' classes have: OpenAI's, Cohere's, Hugging Face's and those in
    `QUERY_BATCH_METHODS` get them so. Any other model is asked query by query, or several at once
    if it talks to a server.

    Args:
        embeddings: The model. A LlamaIndex embedding model, or a string that LlamaIndex resolves to
            one, is accepted too.
        max_concurrency: Concurrent queries, each in a thread, for models without query batches. By
            default 8 for a model with an asynchronous method of its own, which is the client of a
            server, and 1 for others, which may not be thread-safe.

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
        ValueError: If the concurrency is below 1.
    """

    def __init__(self, embeddings: BaseLike, *, max_concurrency: int | None = None) -> None:
        if max_concurrency is not None and max_concurrency < 1:
            raise ValueError(f"max_concurrency: expected at least 1, got {max_concurrency}")
        self.embeddings = resolve_base(embeddings)
        remember_secrets_of(innermost(self.embeddings))
        self.max_concurrency = max_concurrency or _concurrency_of(self.embeddings)

    @property
    def identity(self) -> str:
        """Identifier of this model's vectors, without secrets."""
        return identity_of(self.embeddings)

    @property
    def model_name(self) -> str:
        """The model's name, as its class reports it."""
        return model_name_of(self.embeddings)

    @property
    def batch_size(self) -> int:
        """The model's `chunk_size`; 64 if it has none."""
        size = getattr(self.embeddings, "chunk_size", None)
        return size if isinstance(size, int) and size > 0 else BATCH_SIZE

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite, or differ in number or length.
            ProviderError: If the model's class cannot read the provider's answer.
        """
        with unreadable_answers_of(self.model_name):
            return self._in_batches(self.embeddings.embed_documents, texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of questions, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite, or differ in number or length.
            ProviderError: If the model's class cannot read the provider's answer.
        """
        with unreadable_answers_of(self.model_name):
            return self._vectors_of_queries(texts)

    def _vectors_of_queries(self, texts: Sequence[str]) -> Vectors:
        embed_several = batch_method(self.embeddings)
        if embed_several is not None:
            return self._in_batches(embed_several, texts)
        embed = self.embeddings.embed_query
        if self.max_concurrency == 1:
            return as_matrix([embed(text) for text in texts], len(texts))
        with DaemonThreads(self.max_concurrency) as pool:
            return as_matrix(list(pool.map(embed, texts)), len(texts))

    def _in_batches(self, embed: Embed, texts: Sequence[str]) -> Vectors:
        batches = [texts[i : i + self.batch_size] for i in range(0, len(texts), self.batch_size)]
        return stacked([as_matrix(embed(list(batch)), len(batch)) for batch in batches])


def as_text_embedder(model: Any) -> TextEmbedder:
    """Return a `TextEmbedder`: the model itself if it is one, else a wrapper around it.

    Raises:
        TypeError: If it is not an embedding model.
    """
    is_one = is_ours(model) and not isinstance(model, Embeddings | str)
    embedder: TextEmbedder = model if is_one else LangChainEmbedder(model)
    return embedder


def resolve_base(base: Any) -> Embeddings:
    """Return the model itself, the model of this name, or another model wrapped for LangChain.

    A name is one for `resolve_embedder`, such as "openai/text-embedding-3-small", or a string that
    LlamaIndex resolves, such as "local:BAAI/bge-small-en-v1.5".

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
        MissingExtraError: If it is a string and LlamaIndex is not installed.
    """
    if isinstance(base, Embeddings):
        warn_of_mixed_roles(base)
        return base
    if is_ours(base):
        from langchain_adapter.named import NamedEmbeddings

        return NamedEmbeddings(base)
    if isinstance(base, str) or _is_llama_index(base):
        require_extra("llama-index")
        from langchain_adapter._llama_index import LlamaIndexEmbeddings  # when there is one

        return LlamaIndexEmbeddings(base)
    raise TypeError(
        "expected a LangChain embedding model (langchain_core Embeddings) or a LlamaIndex one, got "
        f"{type(base).__name__}"
    )


def _is_llama_index(model: Any) -> bool:
    module = sys.modules.get("llama_index.core.base.embeddings.base")
    return module is not None and isinstance(model, module.BaseEmbedding)


def _concurrency_of(embeddings: Embeddings) -> int:
    defined_in = type(innermost(embeddings)).aembed_query.__module__
    return 1 if defined_in.startswith(NO_CLIENTS) else CONCURRENCY
