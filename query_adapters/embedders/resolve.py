"""Resolve embedding models by name, such as "openai/text-embedding-3-small"."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from query_adapters.embedders.cohere import CohereEmbedder
from query_adapters.embedders.local import (
    FastEmbedEmbedder,
    Model2VecEmbedder,
    WordLlamaEmbedder,
)
from query_adapters.embedders.model_names import check_options, split_options
from query_adapters.embedders.openai import OpenAIEmbedder
from query_adapters.embedders.openai_servers import SERVERS
from query_adapters.embedders.prepared import with_prefixes
from query_adapters.embedders.protocol import TextEmbedder
from query_adapters.embedders.sentence_transformers import SentenceTransformerEmbedder
from query_adapters.providers.naming import resolve, split_name

EMBEDDERS: dict[str, Callable[..., TextEmbedder]] = {
    "openai": OpenAIEmbedder,
    "cohere": CohereEmbedder,
    "sentence-transformers": SentenceTransformerEmbedder,
    "st": SentenceTransformerEmbedder,
    **{name: partial(OpenAIEmbedder, provider=name) for name in SERVERS if name != "openai"},
    "fastembed": FastEmbedEmbedder,
    "model2vec": Model2VecEmbedder,
    "wordllama": WordLlamaEmbedder,
}
"""What makes an embedder from a model's name, by provider; register your own here."""


def resolve_embedder(
    name: str,
    *,
    query_prefix: str | None = None,
    document_prefix: str | None = None,
    **options: Any,
) -> TextEmbedder:
    """Return the embedding model named `<provider>/<model>` or `<provider>:<model>`.

    Models of families that expect a prefix before queries or documents, such as E5 and BGE, get
    it, with a line in the log, unless the provider or the model adds one itself.

    Args:
        name: "openai/text-embedding-3-small", "cohere/embed-v4.0", "ollama/nomic-embed-text",
            "st/<folder or id on the Hub>", or with another provider in `EMBEDDERS`. Options may
            follow: "openai/text-embedding-3-small?dimensions=512".
        query_prefix: What stands before queries; "" for nothing, None for the family's.
        document_prefix: The same for documents.
        **options: Options of the embedder, such as `dimensions`; None means its default. They
            take precedence over those in the name.

    Raises:
        UnknownModelError: If the provider, the model or an option in the name is unknown.
        MissingExtraError: If the provider's SDK is not installed.
        MissingKeyError: If the environment holds no key for the provider.
    """
    model, written = split_options(name)
    given = {key: value for key, value in options.items() if value is not None}
    before = {"query_prefix": query_prefix, "document_prefix": document_prefix}
    for key, value in before.items():
        in_name = written.pop(key, None)
        before[key] = in_name if value is None else value
    check_options(name, written, EMBEDDERS.get(split_name(model)[0]))
    return with_prefixes(resolve(model, EMBEDDERS, **{**written, **given}), **before)


def is_ours(model: Any) -> bool:
    """Return whether it is a `TextEmbedder`, or a name for `resolve_embedder`."""
    if isinstance(model, str):
        return split_name(model)[0] in EMBEDDERS
    members = ("embed_queries", "embed_documents", "identity")
    return all(hasattr(model, member) for member in members)


def resolved(model: str | TextEmbedder, options: Mapping[str, Any]) -> TextEmbedder:
    """Return the model itself, or the one of this name with the options.

    Raises:
        TypeError: If there are options beside an object.
        UnknownModelError: If the provider or the model is unknown.
        MissingExtraError: If the provider's SDK is not installed.
        MissingKeyError: If the environment holds no key for the provider.
    """
    if isinstance(model, str):
        return resolve_embedder(model, **options)
    if options:
        raise TypeError(f"expected no options beside a model, got {', '.join(options)}")
    return model
