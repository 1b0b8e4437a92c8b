"""Embed several queries in one call, for classes that can; LlamaIndex has no method for it.

A batch is what the class itself does for one query, done for several: the same text,
instruction and `input_type`. A class without an entry is asked query by query.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding

from llama_index_finetune_plugin._delegation import acquire, announced
from query_adapters.embedders.identity import owner_of
from query_adapters.registry import entry_of

Embed = Callable[[list[str]], list[Embedding]]
BatchMethod = Callable[[Any], Embed | None]


def runs_here(model: BaseEmbedding) -> bool:
    """Return whether it is a model on this machine that cuts what it gets into its own batches."""
    return _entry(model) is _of_hugging_face


def batch_method(model: BaseEmbedding) -> Embed | None:
    """Return what embeds several queries as the model embeds one; None where nothing does.

    A cache of the model's own is filled query by query.
    """
    method = _entry(model)
    return None if method is None or model.embeddings_cache is not None else method(model)


def embed_batch(model: BaseEmbedding, embed: Embed, texts: list[str]) -> list[Embedding]:
    """Return the queries' vectors, for one permit of the rate limiter and one event."""
    with announced(model, texts) as vectors:
        acquire(model)
        vectors.extend(embed(texts))
    return vectors


def _entry(model: BaseEmbedding) -> BatchMethod | None:
    """Return the entry of the class that defines how the model embeds one query."""
    return entry_of(owner_of(model, "_get_query_embedding"), QUERY_BATCH_METHODS)


def _of_cohere(model: Any) -> Embed:
    return partial(model._embed, input_type="search_query")


def _of_hugging_face(model: Any) -> Embed:
    return partial(model._embed, prompt_name="query")


def _of_openai(model: Any) -> Embed | None:
    """Return its method for documents, where queries go to the same engine in the same way."""
    alike = model._query_engine == model._text_engine
    own = owner_of(model, "_get_text_embeddings") is owner_of(model, "_get_query_embedding")
    return model._get_text_embeddings if alike and own else None


QUERY_BATCH_METHODS: dict[str, BatchMethod] = {
    "llama_index_finetune_plugin:CachedEmbedding": lambda model: model.embed_queries,
    "llama_index_finetune_plugin:EncodedEmbedding": lambda model: model.embed_queries,
    "llama_index_finetune_plugin:NamedEmbedding": lambda model: model.embed_queries,
    "llama_index_finetune_plugin:PreparedEmbedding": lambda model: model.embed_queries,
    "llama_index.embeddings.cohere:CohereEmbedding": _of_cohere,
    "llama_index.embeddings.huggingface:HuggingFaceEmbedding": _of_hugging_face,
    "llama_index.embeddings.openai:OpenAIEmbedding": _of_openai,
}
"""How a class embeds several queries in one call, by "package:Class". For a class of your own, add
a function of the model that returns a function of the texts:
`QUERY_BATCH_METHODS["my_package:MyEmbedding"] = lambda model: model.embed_queries`. A subclass
that overrides `_get_query_embedding` needs an entry of its own."""
