"""Tests of datasets built from a framework's documents and questions about them."""

from typing import Any

import pytest

from query_adapters.errors import InvalidDatasetError
from tests.integrations.framework import Framework

CORPUS = {"a": "text a", "b": "text b"}


@pytest.mark.parametrize(
    "questions",
    [
        {"one?": "a", "both?": ["a", "b"]},
        {"one?": ["a"], "both?": ("a", "b")},
        [("one?", "a"), ("both?", "a"), ("both?", ["b"]), ("one?", "a")],
    ],
)
def test_questions_are_a_mapping_or_pairs_with_one_id_or_several(
    framework: Framework, questions: Any
) -> None:
    dataset = framework.dataset_of(CORPUS, questions)
    assert dict(dataset.queries) == {"one?": "one?", "both?": "both?"}
    assert dict(dataset.corpus) == CORPUS
    relevant = {query: dict(grades) for query, grades in dataset.qrels.items()}
    assert relevant == {"one?": {"a": 1.0}, "both?": {"a": 1.0, "b": 1.0}}


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ({"one?": "c"}, "missing from the corpus: 'c'"),
        ({"one?": []}, "without a relevant document: 'one\\?'"),
        ({}, "no queries"),
    ],
)
def test_questions_that_do_not_fit_the_documents_are_refused(
    framework: Framework, questions: Any, message: str
) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        framework.dataset_of(CORPUS, questions)
