"""Resolve embedding models by name, such as "openai:text-embedding-3-small"."""

from collections.abc import Callable
from typing import Any

from query_adapters.embedders.cohere import CohereEmbedder
from query_adapters.embedders.openai import OpenAIEmbedder
from query_adapters.embedders.protocol import TextEmbedder
from query_adapters.embedders.sentence_transformers import SentenceTransformerEmbedder
from query_adapters.providers.naming import resolve

EMBEDDERS: dict[str, Callable[..., TextEmbedder]] = {
    "openai": OpenAIEmbedder,
    "cohere": CohereEmbedder,
    "sentence-transformers": SentenceTransformerEmbedder,
}
"""What makes an embedder from a model's name, by provider; register your own here."""


def resolve_embedder(name: str, **options: Any) -> TextEmbedder:
    """Return the embedding model named `<provider>:<model>`.

    Args:
        name: "openai:text-embedding-3-small", "cohere:embed-v4.0", "sentence-transformers:<folder
            or id on the Hub>", or with another provider in `EMBEDDERS`.
        **options: Options of the embedder, such as `dimensions`; None means its default.

    Raises:
        UnknownModelError: If the provider or the model is unknown.
        MissingExtraError: If the provider's SDK is not installed.
        MissingKeyError: If the environment holds no key for the provider.
    """
    return resolve(name, EMBEDDERS, **options)
