"""Tests of what training reads from an existing index and when it rejects the index."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.data.units import UnitRule
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidVectorsError,
    QueryAdaptersWarning,
)
from query_adapters.stores import LiveIndex, MappingSource, RawBlock
from query_adapters.typing import Vectors

N = 2_500  # more than two blocks


class Recording:
    """An in-memory source that records the requested ids."""

    similarity = "dot"

    def __init__(self, vectors: dict[str, Vectors], *, counts: bool = True) -> None:
        self.inner, self.counts = MappingSource(vectors), counts
        self.asked: list[Sequence[str] | None] = []

    def count(self) -> int | None:
        return self.inner.count() if self.counts else None

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        self.asked.append(ids)
        yield from self.inner.read(ids, batch_size)


def rows_of(n: int = N) -> dict[str, Vectors]:
    return {f"d{i}": np.array([i, 1.0], dtype=np.float32) for i in range(n)}


def live(source: Any, texts: dict[str, str] | None = None) -> LiveIndex:
    def texts_of(ids: Sequence[str]) -> dict[str, str]:
        return {key: texts[key] for key in ids if key in texts} if texts else {}

    return LiveIndex(name="MyStore", source=source, texts=texts_of, hint=lambda _: "correct them")


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize("most", [0, 1, 700, N - 3, N, None])
def test_labelled_documents_come_first_and_of_the_others_as_many_as_wanted(
    most: int | None, counts: bool
) -> None:
    source = Recording(rows_of(), counts=counts)
    stored = live(source).read(["d2000", "d7", "d8"], max_documents=most)
    n_others = N - 3 if most is None else min(most, N - 3)
    assert stored.ids[:3] == ("d2000", "d7", "d8")
    assert len(stored.ids) == len(set(stored.ids)) == 3 + n_others
    assert [f"d{row:.0f}" for row in stored.vectors[:, 0]] == list(stored.ids)
    assert (stored.n_stored, stored.similarity) == (N, "dot")
    assert source.asked[0] == ["d2000", "d7", "d8"]
    if most == 0 and counts:
        assert len(source.asked) == 1  # only these three are read, whatever the size of the store


def test_every_other_document_is_drawn_equally_often() -> None:
    index = live(MappingSource(rows_of(30)))
    drawn: Counter[str] = Counter()
    for seed in range(400):
        drawn.update(index.read(["d0"], max_documents=10, seed=seed).ids[1:])
    expected = 400 * 10 / 29  # 138, standard deviation 9.5
    assert len(drawn) == 29
    assert max(abs(n - expected) for n in drawn.values()) < 45


def test_one_seed_draws_one_sample() -> None:
    index = live(MappingSource(rows_of()))
    samples = [index.read(["d0"], max_documents=50, seed=seed).ids for seed in (1, 1, 2)]
    assert samples[0] == samples[1] != samples[2]


def test_fewer_than_no_documents_are_refused() -> None:
    with pytest.raises(ValueError, match="max_documents: expected at least 0 or None, got -1"):
        live(MappingSource(rows_of(3))).read(["d0"], max_documents=-1)


def test_a_row_that_comes_twice_is_refused() -> None:
    class Twice(Recording):
        def read(
            self, ids: Sequence[str] | None, batch_size: int
        ) -> Generator[RawBlock, None, None]:
            yield from super().read(ids, batch_size)
            yield from super().read(["d1"], batch_size)

    with pytest.raises(InvalidVectorsError, match=r"each id once, got 1 of them .* 'd1'"):
        live(Twice(rows_of(4))).read(["d1"])


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_that_was_made_for_a_file_goes_with_it(tmp_path: Path, is_there: bool) -> None:
    vectors = rows_of(5) | {"d5": np.ones(3, dtype=np.float32)}
    folder = tmp_path / "new" / "out"
    if is_there:
        folder.mkdir(parents=True)
    with pytest.raises(DimensionMismatchError):
        live(MappingSource(vectors)).read(["d0"], path=folder / "index.npy")
    assert folder.exists() == is_there
    assert not is_there or list(folder.iterdir()) == []


def stored_by(embedder: Any, n: int = 6) -> tuple[dict[str, Vectors], dict[str, str]]:
    texts = {f"d{i}": f"text {i}" for i in range(n)}
    rows = embedder.embed_documents(list(texts.values()))
    embedder.calls.clear()
    return dict(zip(texts, rows, strict=True)), texts


@pytest.mark.parametrize("scale", [1.0, 0.01, 300.0])
def test_the_models_own_vectors_pass_at_any_length_and_rounding(
    make_embedder: Callable[..., Any], scale: float
) -> None:
    embedder = make_embedder()
    rows, texts = stored_by(embedder)
    rounded = {key: (row * scale).astype(np.float16) for key, row in rows.items()}
    live(MappingSource(rounded), texts).read(["d4", "d1", "d2", "d3"], embedder=embedder)
    assert embedder.calls == [("document", ("text 4", "text 1", "text 2"))]


def test_one_text_that_was_changed_later_is_let_pass(make_embedder: Callable[..., Any]) -> None:
    embedder = make_embedder()
    rows, texts = stored_by(embedder)
    changed = texts | {"d1": "changed"}
    live(MappingSource(rows), changed).read(["d1", "d2", "d3"], embedder=embedder)
    changed["d2"] = "changed too"
    with pytest.raises(AdapterMismatchError):
        live(MappingSource(rows), changed).read(["d1", "d2", "d3"], embedder=embedder)


def test_another_models_vectors_are_refused(make_embedder: Callable[..., Any]) -> None:
    rows, texts = stored_by(make_embedder())
    index = live(MappingSource(rows), texts)
    with pytest.raises(AdapterMismatchError, match=r"^MyStore: .* not made by other: .* 0.99 "):
        index.read(["d1", "d2"], embedder=make_embedder(identity="other"))
    with pytest.raises(DimensionMismatchError, match="fake: expected 5 dimensions, got 8; give"):
        index.read(["d1", "d2"], embedder=make_embedder(dim=5))


def test_vectors_of_zeros_are_no_models(make_embedder: Callable[..., Any]) -> None:
    rows, texts = stored_by(make_embedder())
    zeros = {key: np.zeros_like(row) for key, row in rows.items()}
    with pytest.raises(AdapterMismatchError, match=r"got 0\.0000"):
        live(MappingSource(zeros), texts).read(["d1"], embedder=make_embedder())


def test_a_model_that_gives_no_numbers_made_no_vectors(make_embedder: Callable[..., Any]) -> None:
    rows, texts = stored_by(make_embedder())
    broken = make_embedder()
    broken.embed_documents = lambda texts: np.full((len(texts), 8), np.nan, np.float32)
    with pytest.raises(AdapterMismatchError, match="got nan"):
        live(MappingSource(rows), texts).read(["d1", "d2"], embedder=broken)


def test_without_texts_nothing_is_checked_and_a_warning_states_it(
    make_embedder: Callable[..., Any],
) -> None:
    embedder = make_embedder()
    told = "^MyStore: not checked against fake, because it returns no texts; "
    with pytest.warns(QueryAdaptersWarning, match=told):
        live(MappingSource(rows_of(5))).read(["d1"], embedder=embedder)
    assert embedder.calls == []


@pytest.mark.parametrize(("most", "passes"), [(None, 1), (N, 1), (N - 1, 3)])
def test_with_units_a_small_index_is_read_once(most: int | None, passes: int) -> None:
    def chunks(ids: Sequence[str]) -> dict[str, str]:
        return {key: f"u{int(key[1:]) // 5}" for key in ids}

    source = Recording(rows_of())
    rule = UnitRule(name="'page'", kind="page", read=lambda unit: unit, keys=lambda _: ())
    index = replace(live(source), chunks=chunks, units=rule)
    stored = index.read(["u400", "u1"], max_documents=most)
    assert len(source.asked) == passes
    assert stored.units is not None
    assert {stored.units.ids[n] for n in stored.units.unit_of[:10]} == {"u400", "u1"}
    assert [f"d{row:.0f}" for row in stored.vectors[:, 0]] == list(stored.ids)
    units = [stored.units.ids[n] for n in stored.units.unit_of]
    assert units == list(chunks(stored.ids).values())
    assert (stored.n_stored, stored.similarity) == (N // 5, "dot")
    assert len(stored.ids) == N
