"""Embed several queries in one call, for classes that can; LangChain has no method for it.

A batch is what the class itself does for one query, done for several: the same text,
instruction and `input_type`. A class without an entry is asked query by query.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from langchain_core.embeddings import Embeddings

from query_adapters.embedders.identity import owner_of
from query_adapters.registry import entry_of

Embed = Callable[[list[str]], list[list[float]]]
BatchMethod = Callable[[Any], Embed | None]


def batch_method(embeddings: Embeddings) -> Embed | None:
    """Return what embeds several queries as the model embeds one; None where nothing does."""
    method = entry_of(owner_of(embeddings, "embed_query"), QUERY_BATCH_METHODS)
    return None if method is None else method(embeddings)


def _of_cohere(embeddings: Any) -> Embed:
    return partial(embeddings.embed, input_type="search_query")


def _of_hugging_face(embeddings: Any) -> Embed:
    options = embeddings.query_encode_kwargs or embeddings.encode_kwargs
    return partial(embeddings._embed, encode_kwargs=options)


def _of_openai(embeddings: Embeddings) -> Embed:
    return embeddings.embed_documents  # which is how it embeds a query, too


QUERY_BATCH_METHODS: dict[str, BatchMethod] = {
    "langchain_adapter:CachedEmbeddings": lambda model: model.embed_queries,
    "langchain_adapter:EncodedEmbeddings": lambda model: model.embed_queries,
    "langchain_adapter:NamedEmbeddings": lambda model: model.embed_queries,
    "langchain_adapter:PreparedEmbeddings": lambda model: model.embed_queries,
    "langchain_adapter:SentenceTransformersEmbeddings": lambda model: model.embed_queries,
    "langchain_cohere:CohereEmbeddings": _of_cohere,
    "langchain_huggingface:HuggingFaceEmbeddings": _of_hugging_face,
    "langchain_openai:OpenAIEmbeddings": _of_openai,
}
"""How a class embeds several queries in one call, by "package:Class". For a class of your own, add
a function of the model that returns a function of the texts:
`QUERY_BATCH_METHODS["my_package:MyEmbeddings"] = lambda model: model.embed_queries`. A subclass
that overrides `embed_query` needs an entry of its own."""
