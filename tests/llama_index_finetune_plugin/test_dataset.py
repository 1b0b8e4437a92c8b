"""Test that the dataset reads and writes LlamaIndex's formats and rejects invalid data."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset
from llama_index_finetune_plugin.dataset import to_retrieval_dataset
from query_adapters.errors import InvalidDatasetError

CONTENT: dict[str, Any] = {
    "queries": {"q1": "Où est-ce?", "q2": "how far?"},
    "corpus": {"d1": "In Paris.", "d2": "Four miles.", "d3": "Unasked."},
    "relevant_docs": {"q1": ["d1"], "q2": ["d2", "d1"]},
    "mode": "text",
}


def test_a_file_comes_back_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps(CONTENT, indent=4), encoding="utf-8")
    EmbeddingQAFinetuneDataset.from_json(tmp_path / "old.json").save_json(tmp_path / "new.json")
    assert (tmp_path / "old.json").read_bytes() == (tmp_path / "new.json").read_bytes()


def test_pairs_are_question_texts_with_their_chunk_ids() -> None:
    dataset = EmbeddingQAFinetuneDataset(**CONTENT)
    assert dataset.query_docid_pairs == [("Où est-ce?", ["d1"]), ("how far?", ["d2", "d1"])]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queries": {}, "relevant_docs": {}}, "no queries"),
        ({"relevant_docs": {"q1": ["d1"], "q2": ["gone"]}}, "'gone'"),
        ({"relevant_docs": {"q1": ["d1"]}}, "without a relevant document: 'q2'"),
        ({"relevant_docs": {**CONTENT["relevant_docs"], "q9": ["d1"]}}, "unknown queries: 'q9'"),
        ({"corpus": {**CONTENT["corpus"], "d3": " "}}, "documents without text: 'd3'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        EmbeddingQAFinetuneDataset(**(CONTENT | change))


def test_every_relevant_chunk_reaches_the_core() -> None:
    dataset = to_retrieval_dataset(EmbeddingQAFinetuneDataset(**CONTENT))
    assert {q: dict(grades) for q, grades in dataset.qrels.items()} == {
        "q1": {"d1": 1.0},
        "q2": {"d2": 1.0, "d1": 1.0},
    }
    assert EmbeddingQAFinetuneDataset.from_retrieval_dataset(dataset).model_dump() == CONTENT


def test_any_object_with_the_three_mappings_will_do() -> None:
    assert len(to_retrieval_dataset(SimpleNamespace(**CONTENT)).queries) == 2


def test_an_object_without_them_is_named() -> None:
    with pytest.raises(TypeError, match=r"lacks \['relevant_docs'\]"):
        to_retrieval_dataset(SimpleNamespace(queries={}, corpus={}))
