"""Two indexes during a migration: the steps that both integrations share."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from query_adapters.adapters.serving import AdapterLike, check_fits, read
from query_adapters.arrays import unit
from query_adapters.errors import AdapterMismatchError, DimensionMismatchError
from query_adapters.fusion.similarities import similarities
from query_adapters.stores import LiveIndex, read_blocks
from query_adapters.typing import Similarity, Values, Vectors
from query_adapters.upgrade.migration.demand import Demand
from query_adapters.upgrade.migration.identity import Open, identity_of, is_empty
from query_adapters.upgrade.migration.order import (
    BridgeErrors,
    ExpectedDemand,
    Pending,
    most_urgent,
)
from query_adapters.upgrade.migration.progress import MigrationProgress
from query_adapters.upgrade.migration.ranking import Merged, MigrationQuery, hits_of, merge
from query_adapters.upgrade.migration.sample import sample_of
from query_adapters.upgrade.migration.scale import CommonScale
from query_adapters.upgrade.migration.search import MigrationSearch

PROBES = 10
AGREEMENT = 0.9  # median cosine; a text that was changed lately may differ more


class ServedMigration:
    """An old index behind a bridge, and a new index that fills with the same documents.

    Every document is scored by its stored vector: those of the new index by the question's own
    vector, the others by the bridged one, on the scale of the new index. Nothing is written to
    either index.

    Args:
        bridge: The folder of an upgrade, or what was read from it.
        old: Opens the old index.
        new: Opens the new index, which may be empty.
        model_name: Name of the new model; None to skip its check.
        dim: Length of the new model's vectors; None if unknown.

    Raises:
        AdapterFileError: If the bridge has no sample of documents.
        AdapterMismatchError: If the bridge belongs to another model or other indexes.
        DimensionMismatchError: If vectors of the model or of an index are of another length.
        InvalidVectorsError: If the old index is empty.
    """

    def __init__(
        self,
        bridge: AdapterLike,
        *,
        old: Open,
        new: Open,
        model_name: str | None,
        dim: int | None,
    ) -> None:
        saved = read(bridge)
        if saved is None:
            raise TypeError("bridge: expected the folder of an upgrade, got None")
        check_fits(saved, model_name=model_name, dim=dim)
        self._adapter, self._sample = saved.adapter, sample_of(saved)
        self._old, self._new = old, new
        self._similarities = _similarity(old()), _similarity(new())
        _check_vectors(old(), self._sample.ids, self._sample.old, "the one it was fitted on")
        self._has_new = self._check_new()
        self._identity = identity_of(old, new)
        self._demand = Demand(self._sample.asked)

    def search(self, vector: Sequence[float], k: int) -> MigrationSearch:
        """Return the search of both indexes for a question.

        Args:
            vector: Its vector by the new model.
            k: Number of documents to retrieve, at least 1.
        """
        new = np.array(vector, dtype=np.float32)
        old = self._adapter(new)
        scale = CommonScale.of(*self._scores_of(old, new))
        self._has_new = self._has_new or self._check_new()
        query = MigrationQuery(new=new, old=old, k=k, scale=scale)
        return MigrationSearch(query, self._merged, has_new=self._has_new)

    def _merged(
        self, query: MigrationQuery, new_ids: Sequence[str], old_ids: Sequence[str], depth: int
    ) -> Merged:
        of_old, of_new = self._similarities
        n_found = len(old_ids)
        new_ids, new = _scored(self._new(), new_ids, query.new, of_new)
        old_ids, old = _scored(self._old(), old_ids, query.old, of_old)
        migrated = self._identity.migrated(old_ids, new_ids) if self._has_new else ()
        scaled = query.scale(old)
        hits = hits_of(old_ids, scaled, is_new=False)
        merged = merge(
            hits_of(new_ids, new, is_new=True),
            [hit for hit in hits if hit.id not in migrated],
            k=query.k,
            lowest=float(scaled.min()) if old_ids and n_found >= depth else None,
            depth=depth,
        )
        if merged.next_depth is None:
            self._demand.note(hit.id for hit in merged.hits if not hit.is_new)
        return merged

    @property
    def asked(self) -> Mapping[str, int]:
        """How often documents of the old index were asked for, by id.

        Labelled questions of the upgrade count, and every time that one was retrieved. At most
        20,000 ids are kept.
        """
        return self._demand.counts

    def progress(self) -> MigrationProgress:
        """Return how far the migration is; reads the ids of the old index."""
        pending = {key for keys, _ in self._pending() for key in self._identity.documents(keys)}
        n_migrated = self._identity.count() if self._has_new else 0
        return MigrationProgress(n_migrated=n_migrated, n_pending=len(pending))

    def next_to_embed(self, n: int) -> list[str]:
        """Return ids of the old index to embed next, the most urgent first; at most `n`.

        Args:
            n: Number of ids, at least 1.

        Raises:
            ValueError: If `n` is below 1.
        """
        if n < 1:
            raise ValueError(f"number of documents to embed next: expected at least 1, got {n}")
        errors = BridgeErrors.of(self._adapter, self._sample)
        demand = ExpectedDemand(self.asked, self._old().source.count() or 0)
        return most_urgent(self._pending(), n, demand=demand, errors=errors)

    def refresh(self) -> None:
        """Read the units of the new index again, after entries of it were deleted."""
        self._has_new = self._has_new or self._check_new()
        if self._has_new:
            self._identity.refresh()

    def _pending(self) -> Iterator[Pending]:
        """Yield the documents that are in the old index alone, block by block."""
        self.refresh()
        index = self._old()
        if is_empty(index):
            return
        for keys, vectors in read_blocks(index.source, name=index.name):
            migrated = self._identity.migrated(keys) if self._has_new else ()
            rows = [row for row, key in enumerate(keys) if key not in migrated]
            if rows:
                yield [keys[row] for row in rows], vectors[rows]

    def _scores_of(self, old: Vectors, new: Vectors) -> tuple[Values, Values]:
        """Return the scores of the sampled documents in the old and in the new space."""
        of_old, of_new = self._similarities
        return (
            similarities(old[None], self._sample.old, of_old)[0],
            similarities(new[None], self._sample.new, of_new)[0],
        )

    def _check_new(self) -> bool:
        """Return whether the new index has a vector, after a check of some of them."""
        index = self._new()
        if is_empty(index):
            return False
        _check_vectors(index, self._sample.ids, self._sample.new, "filled by the new model")
        return True


def _similarity(index: LiveIndex) -> Similarity:
    return index.source.similarity or "cosine"


def _scored(
    index: LiveIndex, ids: Sequence[str], query: Vectors, similarity: Similarity
) -> tuple[list[str], Values]:
    """Return those of the ids that the index holds, and their scores."""
    found = list(read_blocks(index.source, name=index.name, ids=ids))
    if not found:
        return [], np.empty(0)
    scores = np.concatenate([similarities(query[None], block, similarity)[0] for _, block in found])
    by_id = dict(zip((key for keys, _ in found for key in keys), scores.tolist(), strict=True))
    kept = [key for key in dict.fromkeys(ids) if key in by_id]
    return kept, np.array([by_id[key] for key in kept])


def _check_vectors(index: LiveIndex, ids: Sequence[str], expected: Vectors, what: str) -> None:
    """Check vectors of an index against those of the sample, as far as it holds their ids.

    Raises:
        AdapterMismatchError: If they differ.
        DimensionMismatchError: If they are of another length.
        InvalidVectorsError: If the index is empty.
    """
    rows = {key: row for row, key in enumerate(ids)}
    block = next(read_blocks(index.source, name=index.name, batch_size=1))[1]
    if block.shape[1] != expected.shape[1]:
        raise DimensionMismatchError(
            f"{index.name}: stored vectors",
            expected=expected.shape[1],
            actual=block.shape[1],
            remedy=f"pass the old index first and then the new one, {what}",
        )
    probes = list(read_blocks(index.source, name=index.name, ids=ids[:PROBES]))
    cosines = [
        float(unit(vector) @ unit(expected[rows[key]]))
        for keys, vectors in probes
        for key, vector in zip(keys, vectors, strict=True)
    ]
    if cosines and not float(np.median(cosines)) >= AGREEMENT:
        raise AdapterMismatchError(
            f"{index.name}: expected an index {what}, got a median cosine of "
            f"{np.median(cosines):.2f} with the bridge's sample; pass the old index first and then "
            "the new one"
        )
