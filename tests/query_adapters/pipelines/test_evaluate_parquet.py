"""Test that questions and documents in Parquet files get the scores that they have in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import DimensionMismatchError, InvalidDatasetError
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.pipelines import EvaluateSystems, ParquetVectors, evaluate_parquet
from tests.query_adapters.pipelines.files import drawn, write

ADAPTER = LinearAdapter(np.diag([1, -1, 2, 0.5]), np.array([0.1, 0, 0, 0]))
METRICS = ["mrr@10", "recall@3", "ndcg@10"]
SYSTEMS = {"base": None, "base/adapted": ADAPTER}


def dataset() -> EmbeddedDataset:
    rng = np.random.default_rng(0)
    relevant = tuple(rng.choice(23, size=rng.integers(1, 4), replace=False) for _ in range(40))
    grades = tuple(rng.integers(1, 4, size=len(rows)).astype(np.float64) for rows in relevant)
    return EmbeddedDataset(drawn(40, 4, seed=1), drawn(23, 4), relevant, grades)


def write_dataset(folder: Path, ids: Any) -> tuple[Path, Path]:
    """Write documents and questions in files of several row groups, and return their paths."""
    whole = dataset()
    documents = {"id": ids, "vector": whole.documents}
    questions = {
        "vector": whole.queries,
        "relevant": pa.array([[ids[row] for row in rows] for rows in whole.relevant]),
        "grades": pa.array([list(grades) for grades in whole.grades]),
    }
    write(folder / "documents" / "d.parquet", documents, group_rows=5)
    write(folder / "questions" / "q.parquet", questions, group_rows=9)
    return folder / "questions", folder / "documents"


@pytest.mark.parametrize(
    "ids", [[f"d{row}" for row in range(23)], list(range(100, 123))], ids=["texts", "numbers"]
)
@pytest.mark.parametrize("block_rows", [7, 40])
def test_scores_equal_those_in_memory(tmp_path: Path, ids: list[Any], block_rows: int) -> None:
    questions, documents = write_dataset(tmp_path, ids)
    found = evaluate_parquet(
        questions,
        ParquetVectors(documents, block_rows=6),
        SYSTEMS,
        tmp_path / "scores",
        metrics=METRICS,
        grades_column="grades",
        block_rows=block_rows,
    )
    assert list(found) == list(SYSTEMS)
    for name, adapter in SYSTEMS.items():
        expected = evaluate_vectors(dataset(), adapter, metrics=METRICS)
        assert list(found[name].per_query) == METRICS
        for metric, values in expected.per_query.items():
            assert np.array_equal(found[name].per_query[metric], values)
        assert np.array_equal(found[name].first_relevant, expected.first_relevant)
    assert compare_systems(found, baseline="base")


def test_without_grades_every_relevant_document_counts_alike(tmp_path: Path) -> None:
    ids = [f"d{row}" for row in range(23)]
    questions, documents = write_dataset(tmp_path, ids)
    whole = dataset()
    plain = EmbeddedDataset(whole.queries, whole.documents, whole.relevant)
    found = evaluate_parquet(questions, documents, {"base": None}, tmp_path / "scores")
    expected = evaluate_vectors(plain).per_query["ndcg@10"]
    assert np.array_equal(found["base"].per_query["ndcg@10"], expected)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"relevant": [["d1"], ["x"]]}, "missing: 'x'"),
        ({"relevant": [["d1"], []]}, "expected relevant rows from 0 to 22, at least one"),
        ({"relevant": ["d1", "d2"]}, "expected a list in every row"),
        (
            {"relevant": [["d1"], ["d2"]], "grades": [[1.0], [1.0, 2.0]]},
            "expected as many grades as relevant documents, got 2 for 1 in row 1",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    _, documents = write_dataset(tmp_path, [f"d{row}" for row in range(23)])
    questions = write(tmp_path / "q.parquet", {"vector": drawn(2, 4), **columns})
    grades = "grades" if "grades" in columns else None
    with pytest.raises(InvalidDatasetError, match=message):
        evaluate_parquet(questions, documents, SYSTEMS, tmp_path / "scores", grades_column=grades)


def test_an_adapter_for_another_length_is_refused_before_the_search(tmp_path: Path) -> None:
    questions, documents = write_dataset(tmp_path, list(range(23)))
    for systems in ({"a": LinearAdapter.identity(5)}, {"a": LinearAdapter(np.ones((3, 4)))}):
        with pytest.raises(DimensionMismatchError):
            evaluate_parquet(questions, documents, systems, tmp_path / "scores")
    assert not (tmp_path / "scores").exists()


def test_no_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match="expected at least one"):
        EvaluateSystems(tmp_path, {})
