"""The contract of a `VectorSource`, as tests that a class inherits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.evaluation.search import exact_search
from query_adapters.stores.blocks import read_blocks
from query_adapters.stores.source import RawBlock, VectorSource
from query_adapters.testing.rows import DIM, Row, check_blocks, row_of, unit_row
from query_adapters.typing import Similarity

N, AT_ONCE, N_BEST = 23, 10, 5

MakeSource = Callable[[Sequence[Row]], VectorSource]
"""A function that fills a new store with rows and returns its reader."""


class VectorSourceSuite(ABC):
    """Tests of a reader: pages, ids, vectors, deletes, bad rows, interrupted reads, similarity.

    Inherit it in a class whose name starts with "Test", override `make_source`, and state what
    differs. Tests of what a store cannot do are skipped, with the reason.

    Attributes:
        similarity: What the store ranks by, as the reader must state it.
        unit: Whether the store keeps vectors at length 1.
        tolerance: The most that a stored number may differ, in itself and relatively.
        may_lack_vectors: Whether the store holds rows without a vector.
        may_mix_dimensions: Whether it holds vectors of several lengths.
        may_repeat_ids: Whether it holds one id twice.
    """

    similarity: Similarity | None = "cosine"
    unit: bool = False
    tolerance: float = 1e-6
    may_lack_vectors: bool = False
    may_mix_dimensions: bool = False
    may_repeat_ids: bool = False

    @pytest.fixture
    @abstractmethod
    def make_source(self) -> MakeSource:
        """Return a function of rows that fills a new, empty store and returns its reader."""

    def key_of(self, number: int) -> str:
        """Return the id of a row; override it where ids have a form of their own."""
        return f"id-{number}"

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        """Delete rows of the reader's store; without it, tests of deletes are skipped."""
        pytest.skip("no `delete`: the suite cannot delete rows of this store")

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        """Return the ids of the store's own search; without it, its ranking is not compared."""
        pytest.skip("no `search`: the suite cannot search this store")

    def rows(self, n: int = N) -> list[Row]:
        """Return rows to store."""
        return [row_of(self.key_of(number), number) for number in range(n)]

    def expected(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows as the store keeps them."""
        return [unit_row(row) for row in rows] if self.unit else list(rows)

    def check(self, blocks: Sequence[RawBlock], rows: Sequence[Row], *, most: int) -> None:
        """Check that the blocks hold these rows once each."""
        check_blocks(blocks, self.expected(rows), most=most, tolerance=self.tolerance)

    def test_every_row_is_read_once_with_its_vector(self, make_source: MakeSource) -> None:
        source = make_source(self.rows())
        assert source.count() in (N, None)
        for most in (1, AT_ONCE, N, 100 * N):
            self.check(list(source.read(None, most)), self.rows(), most=most)

    def test_rows_are_read_by_id_and_missing_ids_are_left_out(
        self, make_source: MakeSource
    ) -> None:
        rows = self.rows()
        source, wanted = make_source(rows), rows[17:3:-1]
        ids = [self.key_of(N + 1), *(row.key for row in wanted), "not-there", 'it\'s "odd"']
        for most in (1, 4, 100 * N):
            self.check(list(source.read(ids, most)), wanted, most=most)
        assert all(len(keys) == 0 for keys, _ in source.read(["not-there"], AT_ONCE))
        assert all(len(keys) == 0 for keys, _ in source.read([], AT_ONCE))

    def test_a_read_that_is_given_up_disturbs_no_other(self, make_source: MakeSource) -> None:
        rows = self.rows()
        source = make_source(rows)
        with closing(source.read(None, 2)) as given_up:
            next(given_up)
        one, other = source.read(None, AT_ONCE), source.read(None, AT_ONCE)
        begun = next(one), next(other)
        self.check([begun[0], *one], rows, most=AT_ONCE)
        self.check([begun[1], *other], rows, most=AT_ONCE)

    def test_an_empty_store_has_no_rows(self, make_source: MakeSource) -> None:
        source = make_source([])
        assert not source.count()
        assert all(len(ids) == 0 for ids, _ in source.read([self.key_of(0)], AT_ONCE))
        with pytest.raises(InvalidVectorsError, match="at least one stored vector"):
            list(read_blocks(source, name="store"))

    def test_deleted_rows_are_not_read(self, make_source: MakeSource) -> None:
        rows = self.rows()
        source, gone = make_source(rows), [row.key for row in rows[::3]]
        self.delete(source, gone)
        left = [row for row in rows if row.key not in gone]
        assert source.count() in (len(left), None)
        self.check(list(source.read(None, AT_ONCE)), left, most=AT_ONCE)
        assert all(len(ids) == 0 for ids, _ in source.read(gone, AT_ONCE))

    def test_rows_that_stay_while_others_are_deleted_are_read_once(
        self, make_source: MakeSource
    ) -> None:
        rows = self.rows()
        source = make_source(rows)
        blocks = source.read(None, 5)
        first = next(blocks)
        gone = [row.key for row in rows if row.key not in first[0]][::2]
        self.delete(source, gone)
        read = [first, *blocks]
        keys = [key for ids, _ in read for key in ids]
        stayed = {row.key for row in rows} - set(gone)
        assert len(set(keys)) == len(keys)
        assert stayed <= set(keys) <= {row.key for row in rows}
        self.check(read, [row for row in rows if row.key in keys], most=5)

    def test_the_similarity_is_stated(self, make_source: MakeSource) -> None:
        assert make_source(self.rows()).similarity == self.similarity

    def test_the_similarity_ranks_as_the_store_does(self, make_source: MakeSource) -> None:
        rows = self.rows()
        source = make_source(rows)
        if self.similarity is None:
            pytest.skip("the store does not state its similarity")
        vectors = np.array([row.vector for row in rows], dtype=np.float32)
        queries = np.random.default_rng(1_000).normal(size=(4, DIM)).astype(np.float32)
        best = exact_search(queries, vectors, k=N_BEST, similarity=self.similarity)
        for query, found in zip(queries.tolist(), best, strict=True):
            assert self.search(source, query, N_BEST) == [rows[row].key for row in found]

    def test_texts_are_returned_by_id(self, make_source: MakeSource) -> None:
        rows = self.rows(4)
        source: Any = make_source(rows)
        if not hasattr(source, "texts"):
            pytest.skip("the reader has no `texts`")
        found = source.texts([rows[2].key, "not-there", rows[0].key])
        assert found == {row.key: row.text for row in (rows[0], rows[2])}
        assert source.texts([]) == {}

    def test_a_missing_vector_is_named(self, make_source: MakeSource) -> None:
        if not self.may_lack_vectors:
            pytest.skip("the store holds no row without a vector")
        rows = self.rows()
        rows[3] = rows[3]._replace(vector=None)
        with pytest.raises(InvalidVectorsError, match=rows[3].key):
            list(read_blocks(make_source(rows), name="store"))

    def test_a_vector_of_another_length_is_named(self, make_source: MakeSource) -> None:
        if not self.may_mix_dimensions:
            pytest.skip("the store holds vectors of one length")
        rows = [*self.rows(), row_of(self.key_of(N), N, dim=DIM + 1)]
        with pytest.raises(DimensionMismatchError):
            list(read_blocks(make_source(rows), name="store"))

    def test_an_id_that_is_stored_twice_is_read_twice(self, make_source: MakeSource) -> None:
        if not self.may_repeat_ids:
            pytest.skip("the store holds each id once")
        rows = [*self.rows(4), self.rows(1)[0]]
        keys = [key for ids, _ in make_source(rows).read(None, AT_ONCE) for key in ids]
        assert sorted(keys) == sorted(row.key for row in rows)
