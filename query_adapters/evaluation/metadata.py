"""Metadata of a report: what was measured, when, and by which version."""

from collections.abc import Mapping
from datetime import UTC, datetime

from query_adapters._version import DISTRIBUTION, installed_version

Facts = Mapping[str, str | int]
"""What is known of a comparison, by name, such as "embedding_model"."""


def facts_of(given: Facts, *, n_queries: int, n_documents: int | None, seed: int) -> Facts:
    """Return the caller's metadata, then the computed metadata.

    Args:
        given: Metadata of the caller, which takes precedence.
        n_queries: Number of queries.
        n_documents: Number of documents; None if unknown.
        seed: Seed of the bootstrap and the permutation test.
    """
    documents = {} if n_documents is None else {"documents": n_documents}
    known: dict[str, str | int] = {
        "questions": n_queries,
        **documents,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "version": f"{DISTRIBUTION} {installed_version()}",
    }
    return {**given, **known, **given}  # the caller's metadata first
