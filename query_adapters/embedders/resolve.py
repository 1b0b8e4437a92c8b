"""Embedding models by name, such as "openai:text-embedding-3-small"."""

from collections.abc import Callable
from typing import Any

from query_adapters.embedders.cohere import CohereEmbedder
from query_adapters.embedders.openai import OpenAIEmbedder
from query_adapters.embedders.protocol import TextEmbedder
from query_adapters.embedders.providers import resolve
from query_adapters.embedders.sentence_transformers import SentenceTransformerEmbedder

EMBEDDERS: dict[str, Callable[..., TextEmbedder]] = {
    "openai": OpenAIEmbedder,
    "cohere": CohereEmbedder,
    "sentence-transformers": SentenceTransformerEmbedder,
}
"""What makes an embedder from a model's name, by provider; register your own here."""


def resolve_embedder(name: str, **options: Any) -> TextEmbedder:
    """Return the embedding model that `name` stands for, `<provider>:<model>`.

    Args:
        name: "openai:text-embedding-3-small", "cohere:embed-v4.0",
            "sentence-transformers:<folder or id on the Hub>", or of a provider in `EMBEDDERS`.
        **options: As the embedder takes them, such as `dimensions`; None stands for its default.

    Raises:
        UnknownModelError: If the provider is unknown, or the model is not there.
        MissingExtraError: If the provider's SDK is not installed.
        MissingKeyError: If the environment holds no key for it.
    """
    return resolve(name, EMBEDDERS, **options)
