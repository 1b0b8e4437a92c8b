"""The probe of an adapter: a text whose vector identifies the embedding model later."""

from types import EllipsisType

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.typing import Vectors

ProbeText = str | EllipsisType | None
"""A text of one's own; `...` for a question of the run; None for no probe."""
NEUTRAL_PROBE = "What is this document about?"  # says nothing about anybody's data


def checked_probe(text: ProbeText) -> ProbeText:
    """Return the setting.

    Raises:
        ValueError: If it is an empty text.
        TypeError: If it is no text.
    """
    if not isinstance(text, str | EllipsisType | None):
        raise TypeError(f"probe_text: expected a text or None, got {type(text).__name__}")
    if isinstance(text, str) and not text.strip():
        raise ValueError("probe_text: expected a text or None, got an empty one")
    return text


def embedded_probe(
    text: ProbeText, question: str, *, embedder: TextEmbedder, cache: EmbeddingCache
) -> tuple[str | None, Vectors | None]:
    """Return what an adapter stores: the text in clear and its vector, `(dim,)`; or None twice.

    Args:
        text: The setting.
        question: What is stored if the setting leaves the choice.
        embedder: The model to be identified.
        cache: Its cache, which usually holds the question's vector.
    """
    if text is None:
        return None, None
    chosen = question if isinstance(text, EllipsisType) else text
    return chosen, cache.embed_queries(embedder, [chosen])[0]
