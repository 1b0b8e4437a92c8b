"""In which order to embed documents again."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.arrays import unit
from query_adapters.evaluation.search import exact_search
from query_adapters.typing import Values, Vectors
from query_adapters.upgrade.migration.sample import MigrationSample

NEIGHBOURS = 10

Pending = tuple[Sequence[str], Vectors]
"""Ids of documents that are to be embedded, and their stored vectors."""


@dataclass(frozen=True, eq=False)
class BridgeErrors:
    """How badly a bridge serves stored documents, estimated from a sample.

    The error of a sampled document is one minus the cosine of its bridged new vector and its stored
    one. That of another document is taken as the mean of its ten nearest sampled ones, for its
    new vector is not known before it is embedded.

    Attributes:
        stored: Stored vectors of the sample, `(n, dim_out)`.
        errors: Errors of the sample, 0..2, `(n,)`.
        row_of: Row of each sampled document, by id.
    """

    stored: Vectors
    errors: Values
    row_of: Mapping[str, int]

    @classmethod
    def of(cls, adapter: QueryAdapter, sample: MigrationSample) -> "BridgeErrors":
        """Return the errors of the sample's documents under the adapter."""
        bridged = unit(adapter(sample.new))
        errors = 1 - np.einsum("ij,ij->i", bridged, unit(sample.old))
        return cls(sample.old, errors, {key: row for row, key in enumerate(sample.ids)})

    def __call__(self, ids: Sequence[str], vectors: Vectors) -> Values:
        """Return the errors of documents, `(len(ids),)`, given their stored vectors."""
        nearest = exact_search(vectors, self.stored, k=NEIGHBOURS)
        errors: Values = self.errors[nearest].mean(axis=1)
        known = [place for place, key in enumerate(ids) if key in self.row_of]
        errors[known] = self.errors[[self.row_of[ids[place]] for place in known]]
        return errors


@dataclass(frozen=True)
class ExpectedDemand:
    """How likely the next question asks for a document.

    How often a document was asked for counts, less the chance that the next question asks for one
    that was never asked for. The number of documents that were asked for once tells how large that
    chance is; all documents without a question share it evenly. So labels that hardly ever repeat a
    document, such as generated ones, move the others forward.

    Attributes:
        asked: How often documents were asked for, by id.
        n_documents: Documents of the old index.

    Source: Good, The Population Frequencies of Species (1953), section 2, with one added to the
        counts so that neither chance is 0.
    """

    asked: Mapping[str, int]
    n_documents: int

    @cached_property
    def _n_questions(self) -> int:
        return sum(self.asked.values())

    @cached_property
    def _of_others(self) -> float:
        """The chance that the next question asks for a document that was never asked for."""
        once = sum(count == 1 for count in self.asked.values())
        return (once + 1) / (self._n_questions + 2)

    def __call__(self, key: str) -> float:
        """Return the chance that the next question asks for the document, 0..1."""
        count = self.asked.get(key, 0)
        if count:
            return (1 - self._of_others) * count / self._n_questions
        return self._of_others / max(1, self.n_documents - len(self.asked))


def most_urgent(
    pending: Iterable[Pending], n: int, *, demand: ExpectedDemand, errors: BridgeErrors
) -> list[str]:
    """Return the ids of the `n` documents to embed first.

    They are those with the highest expected loss: how likely a document is asked for, times how
    badly the bridge serves it.

    Args:
        pending: Blocks of documents of the old index alone.
        n: Number of documents, at least 1.
        demand: How likely documents are asked for.
        errors: How badly the bridge serves documents.
    """
    losses = (
        (demand(key) * error, key)
        for keys, vectors in pending
        for key, error in zip(keys, errors(keys, vectors).tolist(), strict=True)
    )
    return [key for _, key in heapq.nlargest(n, losses, key=lambda loss: loss[0])]
