"""Test runs over Parquet files in one process: results, what is resumed and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    MissingExtraError,
)
from query_adapters.evaluation import exact_search
from query_adapters.pipelines import AdaptVectors, EmbedTexts, SearchDocuments, map_parquet
from query_adapters.pipelines.origin import history
from query_adapters.pipelines.output import MANIFEST
from query_adapters.pipelines.parquet import ParquetRows
from tests.logged_model import DIM, LoggedModel
from tests.query_adapters.pipelines.files import content, drawn, write, write_texts

ADAPTER = LinearAdapter(np.diag([1, -1, 2, 0.5]), np.array([0.1, 0, 0, 0]))


class Renamed:
    """A map of a user's own, whose identity says what it does and nothing else."""

    block_rows = batch_rows = 100
    reads, writes, identity = ("text",), ("note",), {"name": "renamed"}

    def check(self, rows: ParquetRows) -> None:
        """Accept all."""

    def __call__(self, batch: Any) -> Any:
        return batch.append_column("note", [["new"] * len(batch)])


@pytest.fixture
def model(tmp_path: Path) -> LoggedModel:
    return LoggedModel(tmp_path)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts", [7, 0, 5])


class TestEmbedding:
    @pytest.mark.parametrize("role", ["query", "document"])
    def test_gives_every_text_its_vector_in_its_role(
        self, tmp_path: Path, model: LoggedModel, texts: Path, role: Any
    ) -> None:
        done = map_parquet(EmbedTexts(model, role=role), texts, tmp_path / "v", block_rows=4)
        assert str(done) == f"{tmp_path / 'v'}: 12 rows in 4 blocks"
        embed = model.embed_queries if role == "query" else model.embed_documents
        expected = [
            {"id": str(n), "text": f"text {n}", "vector": embed([f"text {n}"])[0].tolist()}
            for n in range(12)
        ]
        assert content(tmp_path / "v") == expected

    def test_keeps_the_columns_that_are_named(
        self, tmp_path: Path, model: LoggedModel, texts: Path
    ) -> None:
        map_parquet(EmbedTexts(model, role="query"), texts, tmp_path / "v", keep=["id"])
        assert list(content(tmp_path / "v")[0]) == ["id", "vector"]

    def test_goes_on_where_a_run_failed_and_embeds_no_finished_block_again(
        self, tmp_path: Path, model: LoggedModel, texts: Path
    ) -> None:
        class Failing(LoggedModel):
            def embed_documents(self, texts: Any) -> Any:
                if "text 8" in texts:
                    raise ConnectionError("down")
                return super().embed_documents(texts)

        run: dict[str, Any] = {"source": texts, "output": tmp_path / "v", "block_rows": 4}
        with pytest.raises(ConnectionError):
            map_parquet(EmbedTexts(Failing(tmp_path), role="document"), **run)
        assert len(model.embedded()) == 7
        (tmp_path / "v" / ".1234.tmp").touch()  # as a process leaves it that is killed
        done = map_parquet(EmbedTexts(model, role="document"), **run)
        assert (done.n_blocks, done.n_resumed) == (4, 2)
        assert sorted(model.embedded()) == sorted(f"text {n}" for n in range(12))
        again = map_parquet(EmbedTexts(model, role="document"), **run)
        assert again == replace(done, n_resumed=4)
        assert len(model.embedded()) == 12
        assert sorted(path.name for path in (tmp_path / "v").iterdir())[-1] == MANIFEST

    def test_of_a_row_without_text_says_where_it_is(
        self, tmp_path: Path, model: LoggedModel
    ) -> None:
        write(tmp_path / "t" / "a.parquet", {"text": ["a", "b", None]})
        with pytest.raises(InvalidDatasetError, match="got NoneType in row 0") as refused:
            map_parquet(
                EmbedTexts(model, role="query"), tmp_path / "t", tmp_path / "v", block_rows=2
            )
        assert refused.value.__notes__[0].endswith(
            "a.parquet, rows from 2; finished blocks are kept"
        )

    def test_with_a_model_that_changes_its_length_is_refused_at_the_end(
        self, tmp_path: Path, texts: Path
    ) -> None:
        class Changing(LoggedModel):
            def embed_documents(self, texts: Any) -> Any:
                return super().embed_documents(texts)[:, : DIM - ("text 8" in texts)]

        with pytest.raises(InvalidDatasetError, match="expected column 'vector' of type"):
            map_parquet(
                EmbedTexts(Changing(tmp_path), role="document"), texts, tmp_path / "v", block_rows=4
            )

    def test_in_an_unknown_role_is_refused(self, model: LoggedModel) -> None:
        with pytest.raises(ValueError, match="expected 'query' or 'document', got 'passage'"):
            EmbedTexts(model, role="passage")  # type: ignore[arg-type]


class TestOutputFolder:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"role": "query"}, "expected a run with role 'query', got one with 'document'"),
            ({"identity": "other"}, "expected a run with model 'other', got one with 'logged'"),
            ({"block_rows": 5}, "expected a run with block_rows 5, got one with 4"),
            ({"keep": ["id"]}, r"expected a run with columns \['id', 'vector'\], got one with"),
            ({"source": "others"}, "expected a run with input '.{16}', got one with '.{16}'"),
        ],
    )
    def test_of_another_run_is_refused(
        self, tmp_path: Path, texts: Path, change: dict[str, Any], message: str
    ) -> None:
        write_texts(tmp_path / "others", [7, 5])

        def run(
            role: Any = "document", identity: str = "logged", source: str = "texts", **how: Any
        ) -> None:
            embed = EmbedTexts(LoggedModel(tmp_path, identity=identity), role=role)
            map_parquet(embed, tmp_path / source, tmp_path / "v", **{"block_rows": 4, **how})

        run()
        with pytest.raises(InvalidDatasetError, match=message) as refused:
            run(**change)
        assert str(refused.value).endswith("name another folder, or remove this one to start anew")
        assert len(LoggedModel(tmp_path).embedded()) == 12

    def test_with_other_files_or_a_damaged_record_is_refused(
        self, tmp_path: Path, model: LoggedModel, texts: Path
    ) -> None:
        embed, other = EmbedTexts(model, role="document"), tmp_path / "other"
        other.mkdir()
        (other / "notes.txt").touch()
        with pytest.raises(InvalidDatasetError, match="expected an empty folder"):
            map_parquet(embed, texts, other)
        (other / MANIFEST).write_text("[]")
        with pytest.raises(InvalidDatasetError, match="got one with None"):
            map_parquet(embed, texts, other)
        assert model.embedded() == []

    def test_of_a_newer_version_is_refused(
        self, tmp_path: Path, model: LoggedModel, texts: Path
    ) -> None:
        embed, output = EmbedTexts(model, role="document"), tmp_path / "v"
        map_parquet(embed, texts, output)
        record = json.loads((output / MANIFEST).read_text())
        (output / MANIFEST).write_text(json.dumps(record | {"extra": 1}))
        with pytest.raises(InvalidDatasetError, match="expected the record of this run"):
            map_parquet(embed, texts, output)


class TestAdapting:
    @pytest.fixture
    def queries(self, tmp_path: Path) -> Path:
        columns = {"id": np.arange(10), "vector": drawn(10, 4)}
        return write(tmp_path / "queries" / "q.parquet", columns, group_rows=4)

    def test_gives_what_the_adapter_gives(self, tmp_path: Path, queries: Path) -> None:
        folder = save_adapter(ADAPTER, tmp_path / "adapter")
        map_parquet(AdaptVectors(folder), queries, tmp_path / "adapted", block_rows=10)
        found = content(tmp_path / "adapted")
        assert [row["id"] for row in found] == list(range(10))
        assert np.array_equal([row["vector"] for row in found], ADAPTER(drawn(10, 4)))

    def test_writes_beside_the_base_where_a_column_is_named(
        self, tmp_path: Path, queries: Path
    ) -> None:
        adapt = AdaptVectors(ADAPTER, adapted_column="adapted")
        map_parquet(adapt, queries, tmp_path / "adapted", block_rows=3)
        found = content(tmp_path / "adapted")
        assert np.array_equal([row["vector"] for row in found], drawn(10, 4))
        assert np.allclose([row["adapted"] for row in found], ADAPTER(drawn(10, 4)))

    def test_vectors_of_another_length_is_refused_before_anything_is_written(
        self, tmp_path: Path
    ) -> None:
        source = write(tmp_path / "q.parquet", {"vector": drawn(3, 5)})
        with pytest.raises(DimensionMismatchError, match="expected 4 dimensions, got 5"):
            map_parquet(AdaptVectors(ADAPTER), source, tmp_path / "adapted")
        assert not (tmp_path / "adapted").exists()

    def test_numpy_batches_of_ray_data_gives_the_same(self) -> None:
        batch: dict[str, Any] = {"vector": drawn(5, 4), "id": np.arange(5)}
        found = AdaptVectors(ADAPTER)(batch)
        assert np.array_equal(found["vector"], ADAPTER(batch["vector"]))
        assert found["id"] is batch["id"]

    def test_without_an_adapter_is_refused(self) -> None:
        with pytest.raises(TypeError, match="got None"):
            AdaptVectors(None)  # type: ignore[arg-type]


class TestSearching:
    def test_finds_what_exact_search_finds(self, tmp_path: Path) -> None:
        documents, queries = drawn(30, 4), drawn(9, 4, seed=1)
        ids = [f"d{row}" for row in range(30)]
        write(tmp_path / "d" / "d.parquet", {"id": ids, "vector": documents}, group_rows=7)
        source = write(tmp_path / "q.parquet", {"vector": queries})
        search = SearchDocuments(tmp_path / "d", k=3, similarity="dot")
        map_parquet(search, source, tmp_path / "found", keep=[], block_rows=4)
        expected = exact_search(queries, documents, k=3, similarity="dot")
        assert content(tmp_path / "found") == [
            {"found": [ids[row] for row in rows]} for rows in expected
        ]
        assert search({"vector": queries})["found"].tolist() == [
            [ids[row] for row in rows] for rows in expected
        ]

    def test_documents_of_another_length_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "d.parquet", {"id": ["a"], "vector": drawn(1, 3)})
        source = write(tmp_path / "q.parquet", {"vector": drawn(1, 4)})
        with pytest.raises(DimensionMismatchError, match="expected 4 dimensions, got 3"):
            map_parquet(SearchDocuments(tmp_path / "d.parquet"), source, tmp_path / "found")
        with pytest.raises(ValueError, match="k: expected at least 1, got 0"):
            SearchDocuments(tmp_path / "d.parquet", k=0)


def test_ray_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, texts: Path, model: LoggedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"llama-index-finetune-plugin\[ray\]"):
        map_parquet(EmbedTexts(model, role="query"), texts, tmp_path / "v", ray={})


class TestOrigin:
    """Folders that `EmbedTexts` has written tell the model and the role of their vectors."""

    @pytest.fixture
    def embedded(self, tmp_path: Path, texts: Path) -> Any:
        def embed(name: str, role: Any, identity: str = "logged", model_name: str = "m-1") -> Path:
            model = LoggedModel(tmp_path, identity=identity, model_name=model_name)
            return map_parquet(EmbedTexts(model, role=role), texts, tmp_path / name).folder

        return embed

    def test_documents_are_not_adapted(self, tmp_path: Path, embedded: Any) -> None:
        adapt = AdaptVectors(LinearAdapter.identity(DIM))
        with pytest.raises(InvalidVectorsError, match="role 'query', got 'document'"):
            map_parquet(adapt, embedded("documents", "document"), tmp_path / "adapted")

    def test_queries_are_not_adapted_twice(self, tmp_path: Path, embedded: Any) -> None:
        adapt = AdaptVectors(LinearAdapter.identity(DIM))
        once = map_parquet(adapt, embedded("queries", "query"), tmp_path / "once").folder
        with pytest.raises(InvalidVectorsError, match="got adapted ones"):
            map_parquet(adapt, once, tmp_path / "twice")
        map_parquet(SearchDocuments(embedded("documents", "document")), once, tmp_path / "found")

    def test_a_map_of_ones_own_between_hides_nothing(self, tmp_path: Path, embedded: Any) -> None:
        adapt = AdaptVectors(LinearAdapter.identity(DIM))
        own = map_parquet(Renamed(), embedded("queries", "query"), tmp_path / "own").folder
        adapted = map_parquet(adapt, own, tmp_path / "adapted").folder
        assert content(adapted)[0]["note"] == "new"
        step = json.loads((own / MANIFEST).read_text(encoding="utf-8"))["map"]
        assert step == {"name": "renamed", "reads": ["text"], "writes": ["note"]}
        with pytest.raises(InvalidVectorsError, match="got adapted ones"):
            map_parquet(adapt, adapted, tmp_path / "twice")

    def test_a_record_that_cannot_be_read_tells_nothing(
        self, tmp_path: Path, embedded: Any
    ) -> None:
        folder = embedded("documents", "document")
        for odd in ("[" * 5_000, '{"map": 1}', "no JSON"):
            (folder / MANIFEST).write_text(odd, encoding="utf-8")
            assert history(ParquetRows(folder)) == []

    def test_an_adapter_of_another_model_is_refused(self, tmp_path: Path, embedded: Any) -> None:
        record = AdapterRecord(base_model="m-2")
        saved = SavedAdapter(adapter=LinearAdapter.identity(DIM), record=record)
        with pytest.raises(AdapterMismatchError, match="expected the embedding model 'm-2'"):
            map_parquet(AdaptVectors(saved), embedded("queries", "query"), tmp_path / "adapted")

    def test_documents_of_another_model_or_role_are_refused(
        self, tmp_path: Path, embedded: Any
    ) -> None:
        queries = embedded("queries", "query")
        others = embedded("documents", "document", identity="other")
        with pytest.raises(InvalidVectorsError, match="expected vectors of other, as those of"):
            map_parquet(SearchDocuments(others), queries, tmp_path / "found")
        with pytest.raises(InvalidVectorsError, match="role 'document', got 'query'"):
            map_parquet(SearchDocuments(queries), queries, tmp_path / "found")
