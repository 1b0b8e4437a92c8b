"""Test how Parquet files are cut into blocks, and what their footers tell before any work."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.errors import DimensionMismatchError, InvalidDatasetError, InvalidVectorsError
from query_adapters.evaluation import search_blocks
from query_adapters.pipelines import ParquetRows, ParquetVectors
from tests.query_adapters.pipelines.files import drawn, write


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=3).filter(any),
    group_rows=st.integers(1, 15),
    block_rows=st.integers(1, 50),
    batch_rows=st.integers(1, 20),
)
def test_blocks_cover_every_row_once_and_in_order(
    tmp_path_factory: Any, counts: list[int], group_rows: int, block_rows: int, batch_rows: int
) -> None:
    folder, first = tmp_path_factory.mktemp("rows"), 0
    for number, count in enumerate(counts):
        write(
            folder / f"{number}.parquet",
            {"n": np.arange(first, first + count)},
            group_rows=group_rows,
        )
        first += count
    rows = ParquetRows(folder)
    found = []
    for block in rows.blocks(block_rows):
        tables = list(rows.read(block, ["n"], batch_rows=batch_rows))
        assert sum(map(len, tables)) == block.n_rows <= block_rows
        assert all(len(table) >= batch_rows for table in tables[:-1])
        assert all(len(table) < 2 * batch_rows for table in tables)
        found += [n for table in tables for n in table.column("n").to_pylist()]
    assert found == list(range(first))
    assert rows.n_rows == first


def test_memory_holds_a_batch_and_not_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "v.parquet", {"v": drawn(20_000, 256)}, group_rows=1_000)
    rows, before = ParquetRows(path), pa.total_allocated_bytes()
    (block,) = rows.blocks(20_000)
    held = [pa.total_allocated_bytes() - before for _ in rows.read(block, ["v"], batch_rows=1_000)]
    assert len(held) == 20
    assert max(held) < 6_000_000 < path.stat().st_size / 3


def test_the_fingerprint_is_of_names_and_content_and_not_of_the_place(tmp_path: Path) -> None:
    def fingerprint(place: str, name: str, values: list[int]) -> str:
        write(tmp_path / place / name, {"n": values})
        return ParquetRows(tmp_path / place).fingerprint

    same = fingerprint("a", "x.parquet", [1, 2])
    assert fingerprint("b", "x.parquet", [1, 2]) == same
    assert fingerprint("c", "x.parquet", [1, 3]) != same
    assert fingerprint("d", "y.parquet", [1, 2]) != same


def test_files_of_a_folder_are_those_that_arrow_reads(tmp_path: Path) -> None:
    write(tmp_path / "b" / "1.parquet", {"n": [2]})
    write(tmp_path / "a.parquet", {"n": [1]})
    (tmp_path / "_manifest.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    write(tmp_path / ".hidden" / "x.parquet", {"n": [3]})
    names = [footer.path.name for footer in ParquetRows(tmp_path).footers]
    assert names == ["a.parquet", "1.parquet"]
    files = [tmp_path / "b" / "1.parquet", tmp_path / "a.parquet"]
    assert [footer.path for footer in ParquetRows(files).footers] == files


def test_what_is_no_parquet_with_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no Parquet file or folder at"):
        ParquetRows(tmp_path / "none")
    with pytest.raises(InvalidDatasetError, match="found none"):
        ParquetRows(tmp_path)
    write(tmp_path / "empty.parquet", {"n": np.empty(0)})
    with pytest.raises(InvalidDatasetError, match="got 1 without any"):
        ParquetRows(tmp_path)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InvalidDatasetError, match=r"broken\.parquet: expected a Parquet file"):
        ParquetRows(tmp_path)


class TestDim:
    @pytest.mark.parametrize("dim", [1, 3])
    @pytest.mark.parametrize("as_lists", [True, False])
    def test_is_read_from_the_footers(self, tmp_path: Path, dim: int, as_lists: bool) -> None:
        vectors = drawn(7, dim)
        path = write(
            tmp_path / "v.parquet", {"v": [*vectors] if as_lists else vectors}, group_rows=3
        )
        assert ParquetRows(path).dim("v") == dim

    def test_that_differs_between_files_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "a.parquet", {"v": drawn(4, 3)})
        write(tmp_path / "b.parquet", {"v": drawn(4, 2)})
        with pytest.raises(DimensionMismatchError, match=r"b\.parquet, row group 0") as refused:
            ParquetRows(tmp_path).dim("v")
        assert (refused.value.expected, refused.value.actual) == (3, 2)

    @pytest.mark.parametrize("column", [[[1.0, 2.0], [3.0]], [1.0, 2.0], ["a", "b"]])
    def test_of_what_is_no_column_of_vectors_is_refused(self, tmp_path: Path, column: Any) -> None:
        rows = ParquetRows(write(tmp_path / "v.parquet", {"v": column}))
        with pytest.raises(InvalidVectorsError, match="expected vectors of one length"):
            rows.dim("v")


class TestParquetVectors:
    @pytest.fixture
    def documents(self, tmp_path: Path) -> ParquetVectors:
        vectors = drawn(20, 4)
        for number, part in enumerate((slice(0, 7), slice(7, 20))):
            ids = [f"d{row}" for row in range(20)[part]]
            columns = {"id": ids, "vector": vectors[part]}
            write(tmp_path / f"{number}.parquet", columns, group_rows=5)
        return ParquetVectors(tmp_path, block_rows=4)

    def test_are_searched_like_a_matrix(self, documents: ParquetVectors) -> None:
        queries = drawn(3, 4, seed=1)
        found, n = search_blocks(queries, documents, k=5)
        expected, _ = search_blocks(queries, [drawn(20, 4)], k=5)
        assert (found.tolist(), n) == (expected.tolist(), 20)

    def test_ids_and_rows_are_inverse(self, documents: ParquetVectors) -> None:
        rows = np.array([19, 0, 7, 7, 3])
        ids = documents.ids_at(rows)
        assert ids.to_pylist() == ["d19", "d0", "d7", "d7", "d3"]
        distinct = ids.take([0, 1, 2, 4])
        assert documents.rows_of(distinct).tolist() == [19, 0, 7, 3]

    def test_without_ids_have_their_rows_as_ids(self, documents: ParquetVectors) -> None:
        plain = ParquetVectors(documents.source, id_column=None)
        ids = plain.ids_at(np.array([3, 1]))
        assert plain.rows_of(ids).tolist() == ids.to_pylist() == [3, 1]

    def test_an_id_that_is_missing_is_named(self, documents: ParquetVectors) -> None:
        with pytest.raises(InvalidDatasetError, match="missing: 'x'"):
            documents.rows_of(pa.array(["d1", "x"]))
        with pytest.raises(InvalidDatasetError, match="missing: 20"):
            ParquetVectors(documents.source, id_column=None).rows_of(pa.array([0, 20]))

    def test_an_id_that_is_there_twice_is_named(self, tmp_path: Path) -> None:
        write(tmp_path / "d.parquet", {"id": ["a", "b", "a"], "vector": drawn(3, 2)})
        assert ParquetVectors(tmp_path).rows_of(pa.array(["b"])).tolist() == [1]
        with pytest.raises(InvalidDatasetError, match="there more than once: 'a'"):
            ParquetVectors(tmp_path).rows_of(pa.array(["a", "b"]))

    def test_ids_of_another_type_are_refused(self, documents: ParquetVectors) -> None:
        with pytest.raises(InvalidDatasetError, match="expected string"):
            documents.rows_of(pa.array([[1]]))
