"""What was measured, when, and by which version: so that a report can be told from another."""

from collections.abc import Mapping
from datetime import UTC, datetime

from query_adapters._version import DISTRIBUTION, installed_version

Facts = Mapping[str, str | int]
"""What is known of a comparison, by name, such as "embedding_model"."""


def facts_of(told: Facts, *, n_queries: int, n_documents: int | None, seed: int) -> Facts:
    """Return what was told, then what is known without being told.

    Args:
        told: Facts that only the caller knows; they stand over those that are known.
        n_queries: How many questions were asked.
        n_documents: How many documents were searched; None if not known.
        seed: Of bootstrap and permutation test.
    """
    documents = {} if n_documents is None else {"documents": n_documents}
    known: dict[str, str | int] = {
        "questions": n_queries,
        **documents,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "version": f"{DISTRIBUTION} {installed_version()}",
    }
    return {**told, **known, **told}  # told ones first
