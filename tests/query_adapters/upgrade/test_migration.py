"""Tests of the search of an old and a new index together, without a framework."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import SavedAdapter, read_adapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.units import UnitRule
from query_adapters.errors import (
    AdapterFileError,
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidVectorsError,
)
from query_adapters.stores import LiveIndex, MappingSource
from query_adapters.typing import Vectors
from query_adapters.upgrade.migration.demand import Demand
from query_adapters.upgrade.migration.order import BridgeErrors, ExpectedDemand
from query_adapters.upgrade.migration.ranking import MAX_DEPTH, START, hits_of, merge
from query_adapters.upgrade.migration.sample import MigrationSample, sample_of
from query_adapters.upgrade.migration.scale import CommonScale
from query_adapters.upgrade.migration.search import MigrationSearch
from query_adapters.upgrade.migration.serving import ServedMigration

N, DIM_OLD, DIM_NEW, K = 200, 6, 9, 10
RNG = np.random.default_rng(0)
IDS = [f"d{number}" for number in range(N)]
OLD: Vectors = RNG.normal(size=(N, DIM_OLD)).astype(np.float32)
INTO_NEW = np.linalg.qr(RNG.normal(size=(DIM_NEW, DIM_NEW)))[0][:DIM_OLD]
NEW: Vectors = (OLD @ INTO_NEW + 0.2 * RNG.normal(size=(N, DIM_NEW))).astype(np.float32)
BRIDGE = LinearAdapter(INTO_NEW.astype(np.float32))
LABELS = RetrievalDataset(
    {"q1": "one", "q2": "two"}, {key: key for key in IDS}, {"q1": {"d3": 1}, "q2": {"d3": 2}}
)
SAMPLE = MigrationSample.of(IDS, NEW, OLD, questions=LABELS, seed=0)
SAVED = SAMPLE.saved_with(SavedAdapter(adapter=BRIDGE))


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@dataclass
class Indexes:
    """Two indexes in memory, with exact search; the new one fills by `migrate`."""

    old: dict[str, Any] = field(default_factory=lambda: dict(zip(IDS, OLD, strict=True)))
    new: dict[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] | None = None
    depths: list[int] = field(default_factory=list)

    def migrate(self, keys: Sequence[str]) -> None:
        self.new |= {key: NEW[IDS.index(key)] for key in keys}

    def live(self, vectors: dict[str, Any]) -> LiveIndex:
        rule = None
        if self.units is not None:
            rule = UnitRule(name="unit", kind="unit", read=self.units.get, keys=lambda _: ())
        source = MappingSource(vectors, "cosine")
        chunks = {key: key for key in vectors}
        return LiveIndex(
            name="memory",
            source=source,
            texts=lambda ids: {},
            hint=str,
            chunks=lambda ids: chunks,
            units=rule,
        )

    def served(self, saved: SavedAdapter = SAVED) -> ServedMigration:
        return ServedMigration(
            saved,
            old=lambda: self.live(self.old),
            new=lambda: self.live(self.new),
            model_name=None,
            dim=DIM_NEW,
        )

    def nearest(self, vectors: dict[str, Any], query: Vectors, k: int) -> list[str]:
        keys = list(vectors)
        cosines = unit(np.array([vectors[key] for key in keys])) @ unit(query)
        return [keys[row] for row in np.argsort(-cosines, kind="stable")[:k]]

    def run(self, search: MigrationSearch) -> MigrationSearch:
        while search.wanted:
            self.depths += [one.k for one in search.wanted if not one.is_new]
            search.take(
                [
                    self.nearest(self.new if one.is_new else self.old, one.vector, one.k)
                    for one in search.wanted
                ]
            )
        return search

    def found(self, served: ServedMigration, query: Vectors, k: int = K) -> list[str]:
        return [hit.id for hit in self.run(served.search(query.tolist(), k)).hits]


def question(seed: int) -> Vectors:
    found: Vectors = np.random.default_rng(seed).normal(size=DIM_NEW).astype(np.float32)
    return found


def by_hand(indexes: Indexes, query: Vectors, k: int) -> list[str]:
    """Return the ranking of all documents, with the scale worked out from its definition."""
    old, new = (unit(OLD) @ unit(INTO_NEW @ query)), unit(NEW) @ unit(query)
    high, top = np.sort(old)[-5:].mean(), np.sort(new)[-5:].mean()
    scaled = new.mean() + (old - old.mean()) * (top - new.mean()) / (high - old.mean())
    scores = {key: new[row] if key in indexes.new else scaled[row] for row, key in enumerate(IDS)}
    present = [key for key in IDS if key in indexes.new or key in indexes.old]
    return sorted(present, key=lambda key: -scores[key])[:k]


@settings(deadline=None, max_examples=30)
@given(
    migrated=st.sets(st.sampled_from(IDS)),
    deleted=st.sets(st.sampled_from(IDS), max_size=50),
    seed=st.integers(0, 1_000),
    k=st.sampled_from([1, K, 150, N + 5]),
)
def test_the_best_of_all_documents_are_found_once_whatever_has_migrated(
    migrated: set[str], deleted: set[str], seed: int, k: int
) -> None:
    indexes = Indexes()
    served = indexes.served()
    indexes.migrate(sorted(migrated))
    for key in deleted:
        indexes.old.pop(key)
    query = question(seed)
    assert indexes.found(served, query, k) == by_hand(indexes, query, k)


def test_the_ends_rank_as_each_index_alone_does() -> None:
    indexes, query = Indexes(), question(1)
    served = indexes.served()
    search = served.search(query.tolist(), K)
    assert [one.is_new for one in search.wanted] == [False]
    bridged = BRIDGE(query)
    assert [hit.id for hit in indexes.run(search).hits] == indexes.nearest(indexes.old, bridged, K)
    indexes.migrate(IDS)
    search = indexes.run(served.search(query.tolist(), K))
    assert [hit.id for hit in search.hits] == indexes.nearest(indexes.new, query, K)
    assert all(hit.is_new for hit in search.hits)
    cosines = unit(NEW) @ unit(query)
    assert search.hits[0].score == pytest.approx(cosines.max(), abs=1e-6)


def test_the_old_index_is_searched_deeper_only_where_that_could_matter() -> None:
    indexes, query = Indexes(), question(2)
    served = indexes.served()
    indexes.found(served, query)
    assert indexes.depths == [START * K]
    for key in indexes.nearest(indexes.old, BRIDGE(query), START * K):
        row = IDS.index(key)
        indexes.new[key] = NEW[row] if row < 10 else -NEW[row]  # the first ten are checked
    indexes.depths.clear()
    found = indexes.found(served, query)
    assert indexes.depths == [START * K, 4 * START * K]
    assert len(set(found) - set(indexes.new)) >= K - 2


def test_the_depth_is_bounded() -> None:
    old = hits_of([], np.empty(0), is_new=False)
    assert merge([], old, k=K, lowest=0.5, depth=START * K).next_depth == 4 * START * K
    assert merge([], old, k=K, lowest=0.5, depth=MAX_DEPTH // 2).next_depth == MAX_DEPTH
    assert merge([], old, k=K, lowest=0.5, depth=MAX_DEPTH).next_depth is None
    assert merge([], old, k=K, lowest=None, depth=K).next_depth is None
    new = hits_of(["a"], np.array([0.6]), is_new=True)
    assert merge(new, old, k=1, lowest=0.6, depth=K).next_depth is None
    assert merge(new, old, k=1, lowest=0.7, depth=K).next_depth is not None


def test_the_scale_takes_both_anchors_of_one_index_to_those_of_the_other() -> None:
    old = np.array([0.0] * 5 + [1.0] * 5)  # mean 0.5, five highest 1
    new = np.array([0.2] * 5 + [0.4] * 5)  # mean 0.3, five highest 0.4
    scale = CommonScale.of(old, new)
    np.testing.assert_allclose(scale(np.array([0.5, 1.0, 0.0])), [0.3, 0.4, 0.2])
    flat = CommonScale.of(np.ones(10), new)
    np.testing.assert_allclose(flat(np.array([1.0, 2.0])), [0.3, 1.3])


def test_documents_of_one_index_alone_are_found_and_counted() -> None:
    indexes = Indexes()
    served = indexes.served()
    assert (served.progress().n_migrated, served.progress().n_total) == (0, N)
    indexes.migrate(IDS[:50])
    indexes.new["added"] = question(3)
    del indexes.old["d0"]  # it is in the new index
    progress = served.progress()
    assert (progress.n_migrated, progress.n_pending, progress.n_total) == (51, 150, 201)
    assert progress.share == pytest.approx(51 / 201)
    assert "150 to embed" in str(progress)
    assert indexes.found(served, question(3), 1) == ["added"]
    indexes.migrate(IDS)
    assert served.progress().is_complete
    assert "delete the old one" in str(served.progress())


def neighbours() -> Any:
    """Return the rows of the ten documents that are nearest to that of row 7 in the old space."""
    return np.argsort(-(unit(OLD) @ unit(OLD)[7]))[:10]


def test_documents_that_are_asked_for_and_served_badly_come_first() -> None:
    turned = NEW.copy()
    turned[7] = -NEW[7]  # the bridge sends this document elsewhere
    sample = replace(SAMPLE, new=turned, asked={})
    indexes = Indexes()
    served = indexes.served(sample.saved_with(SavedAdapter(adapter=BRIDGE)))
    errors = BridgeErrors.of(BRIDGE, sample)
    assert errors(["d7", "unknown"], OLD[[7, 7]]) == pytest.approx(
        [errors.errors[7], errors.errors[neighbours()].mean()]
    )
    urgent = served.next_to_embed(N)
    assert sorted(urgent) == sorted(IDS)
    assert urgent[0] == "d7"
    found = [indexes.found(served, question(4), 2) for _ in range(50)]
    assert set(served.next_to_embed(2)) == set(found[0])
    assert served.asked == dict.fromkeys(found[0], 50)
    indexes.migrate(urgent[:-1])
    assert served.next_to_embed(5) == urgent[-1:]
    assert Indexes().served().next_to_embed(1) == ["d3"]  # by the labels
    with pytest.raises(ValueError, match="at least 1"):
        served.next_to_embed(0)


def test_demand_is_shared_with_documents_that_were_never_asked_for() -> None:
    repeated = ExpectedDemand({"a": 6, "b": 2}, 12)  # none of 8 was alone: 1/10 for ten others
    assert [repeated(key) for key in "abc"] == pytest.approx([0.9 * 6 / 8, 0.9 * 2 / 8, 0.01])
    spread = ExpectedDemand({"a": 1, "b": 1}, 3)  # both were alone: 3/4 for the other
    assert [spread(key) for key in "abc"] == pytest.approx([1 / 8, 1 / 8, 3 / 4])
    assert ExpectedDemand({}, 4)("a") == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    ("each", "of_last", "expected"),
    [(2, 2, 0), (1, 1, 25), (2, 20, 25)],
    ids=["generated", "one each", "asked by users"],
)
def test_labels_that_are_spread_evenly_tell_no_demand(
    each: int, of_last: int, expected: int
) -> None:
    labels = [key for key in IDS[:24] for _ in range(each)] + [IDS[24]] * of_last
    qrels = {f"q{number}": {key: 1} for number, key in enumerate(labels)}
    asked = RetrievalDataset(dict.fromkeys(qrels, "a question"), LABELS.corpus, qrels)
    sample = MigrationSample.of(IDS, NEW, OLD, questions=asked, seed=0)
    assert len(sample.asked) == expected


def test_the_log_of_retrieved_documents_is_bounded_and_keeps_frequent_ones() -> None:
    demand = Demand({"often": 5}, most=10)
    for number in range(100):
        demand.note([f"once {number}", "always"])
    assert len(demand.counts) <= 20
    assert (demand.counts["often"], demand.counts["always"]) == (5, 100)


def test_units_make_chunks_of_both_indexes_one_document() -> None:
    indexes = Indexes(units={})
    units = {key: f"u{int(key[1:]) // 4}" for key in IDS} | {"new chunk": "u0", "another": "u1"}
    indexes.units = units
    served = indexes.served()
    assert served.progress().n_total == N / 4
    indexes.new["new chunk"] = NEW[0]
    found = indexes.found(served, NEW[0], N)
    assert "new chunk" in found
    assert not {"d0", "d1", "d2", "d3"} & set(found)
    assert len(found) == N - 3
    assert served.progress().n_migrated == 1
    assert not {"d0", "d1", "d2", "d3"} & set(served.next_to_embed(N))
    indexes.new["another"] = NEW[4]
    del indexes.new["new chunk"]
    served.refresh()
    assert {"d0", "d1"} <= set(indexes.found(served, NEW[0], N))
    assert "d4" not in indexes.found(served, NEW[0], N)


def test_the_sample_is_saved_with_the_bridge(tmp_path: Path) -> None:
    loaded = sample_of(read_adapter(save_adapter(SAVED, tmp_path)))
    assert loaded.ids == SAMPLE.ids
    assert loaded.asked == {"d3": 2}
    np.testing.assert_array_equal(loaded.new, SAMPLE.new)
    np.testing.assert_array_equal(loaded.old, OLD)
    assert json.loads((tmp_path / "adapter.json").read_text())
    few = MigrationSample.of(IDS, NEW, OLD, questions=None, seed=1)
    assert few.asked == {}


def without_sample() -> SavedAdapter:
    return SavedAdapter(adapter=BRIDGE)


def cut() -> SavedAdapter:
    return replace(SAMPLE, old=OLD[:, :3]).saved_with(SavedAdapter(adapter=BRIDGE))


@pytest.mark.parametrize(("make", "message"), [(without_sample, "without"), (cut, "shapes")])
def test_a_bridge_without_a_complete_sample_is_refused(make: Any, message: str) -> None:
    with pytest.raises(AdapterFileError, match=message):
        Indexes().served(make())


ODD_COUNTS: tuple[Any, ...] = (None, True, 0, -1, 0.5, float("nan"), "5", [], 1 << 70)
ODD_SAMPLES: dict[str, dict[str, Any]] = {
    "a text as ids": {"ids": "x" * N},
    "numbers as ids": {"ids": list(range(N))},
    "lists as ids": {"ids": [["x"]] * N},
    "an object as ids": {"ids": dict.fromkeys(IDS, 1)},
    "an id twice": {"ids": [IDS[0], *IDS[:-1]]},
    "pairs as counts": {"asked": [["d1", 1]]},
    "no counts": {"asked": None},
    **{f"a count of {count}": {"asked": {"d1": count}} for count in ODD_COUNTS},
    "NaN": {"old": np.where(OLD.max() == OLD, np.nan, OLD).astype(np.float32)},
    "infinite": {"new": np.full_like(NEW, np.inf)},
    "double precision": {"new": NEW.astype(np.float64)},
    "half precision": {"old": OLD.astype(np.float16)},
    "another array": {"extra": OLD},
}


@pytest.mark.parametrize("odd", ODD_SAMPLES.values(), ids=ODD_SAMPLES)
def test_a_sample_of_other_types_is_refused(odd: dict[str, Any], tmp_path: Path) -> None:
    given = SAVED.attachments["migration"]
    arrays = {name: part for name, part in odd.items() if isinstance(part, np.ndarray)}
    record = {name: part for name, part in odd.items() if name not in arrays}
    altered = replace(given, record={**given.record, **record}, tensors={**given.tensors, **arrays})
    save_adapter(replace(SAVED, attachments={"migration": altered}), tmp_path)
    with pytest.raises(AdapterFileError, match=r"the bridge's sample.*run the upgrade again"):
        Indexes().served(read_adapter(tmp_path))


def test_other_indexes_than_those_of_the_bridge_are_refused() -> None:
    others = Indexes(old=dict(zip(IDS, OLD[::-1], strict=True)))
    with pytest.raises(AdapterMismatchError, match="fitted on"):
        others.served()
    filled = Indexes(new=dict(zip(IDS, NEW[::-1], strict=True)))
    with pytest.raises(AdapterMismatchError, match="new model"):
        filled.served()
    swapped = Indexes(old=dict(zip(IDS, NEW, strict=True)))
    with pytest.raises(DimensionMismatchError, match="old index first"):
        swapped.served()
    with pytest.raises(InvalidVectorsError):
        Indexes(old={}).served()
    with pytest.raises(DimensionMismatchError):
        ServedMigration(
            SAVED,
            old=lambda: Indexes().live({}),
            new=lambda: Indexes().live({}),
            model_name=None,
            dim=DIM_OLD,
        )
