"""List prices and lengths of vectors of providers' embedding models, for estimates."""

from dataclasses import dataclass

from query_adapters.embedders.identity import own_name

AS_OF = "May 2026"
"""When the table was written. Prices change: give yours where an exact cost matters."""


@dataclass(frozen=True)
class KnownModel:
    """A provider's embedding model.

    Attributes:
        dim: Length of its vectors, unless a shorter one is asked for.
        price: List price of a million tokens in US dollars; None if sources disagree.
    """

    dim: int
    price: float | None = None


KNOWN_MODELS = {
    "text-embedding-3-small": KnownModel(1536, 0.02),
    "text-embedding-3-large": KnownModel(3072, 0.13),
    "text-embedding-ada-002": KnownModel(1536, 0.10),
    "embed-v4.0": KnownModel(1536),
    "embed-english-v3.0": KnownModel(1024, 0.10),
    "embed-multilingual-v3.0": KnownModel(1024, 0.10),
    "voyage-4-large": KnownModel(1024, 0.12),
    "voyage-4": KnownModel(1024, 0.06),
    "voyage-4-lite": KnownModel(1024, 0.02),
    "voyage-code-3": KnownModel(1024, 0.18),
    "voyage-3-large": KnownModel(1024, 0.18),
    "voyage-3.5": KnownModel(1024, 0.06),
    "voyage-3.5-lite": KnownModel(1024, 0.02),
    "voyage-finance-2": KnownModel(1024, 0.12),
    "voyage-law-2": KnownModel(1024, 0.12),
    "mistral-embed": KnownModel(1024, 0.10),
    "gemini-embedding-001": KnownModel(3072, 0.15),
    "gemini-embedding-2": KnownModel(3072, 0.20),
    "jina-embeddings-v3": KnownModel(1024),
}
"""Models by name; add one of your own, or correct a price, here."""


def price_of(model_name: str) -> float | None:
    """Return the list price of a million tokens in US dollars; None if it is not known."""
    known = known_model(model_name)
    return None if known is None else known.price


def dim_of_known(model_name: str) -> int | None:
    """Return the length of a model's vectors; None if it is not known."""
    known = known_model(model_name)
    return None if known is None else known.dim


def known_model(model_name: str) -> KnownModel | None:
    """Return what is known of a model, by its name; None for an unknown one."""
    return KNOWN_MODELS.get(own_name(model_name).rpartition("/")[2])
