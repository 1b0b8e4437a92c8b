"""Tests of datasets: invalid texts or judgements raise errors that name them."""

import pickle
import re
from collections.abc import Mapping
from copy import copy, deepcopy
from dataclasses import FrozenInstanceError
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any

import pytest

from query_adapters.data.dataset import RetrievalDataset, to_indexed_dataset, to_retrieval_dataset
from query_adapters.errors import InvalidDatasetError

QUERIES = {"q1": "how far?", "q2": "how long?"}
CORPUS = {"d1": "Four miles.", "d2": "An hour.", "d3": "Nothing of the kind."}
QRELS = {"q1": {"d1": 1.0}, "q2": {"d2": 3.0, "d1": 0.5}}


def named(prefix: str, n: int) -> list[str]:
    return [f"{prefix}{i}" for i in range(n)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": {}, "qrels": {}}, "the dataset has no queries"),
        ({"queries": {"q1": " \n", "q2": "?"}}, "1 queries without text: 'q1';"),
        ({"corpus": CORPUS | {"d1": "", "d2": None}}, "2 documents without text: 'd1', 'd2';"),
        ({"qrels": QRELS | {"q9": {"d1": 1}}}, "1 judgements of unknown queries: 'q9';"),
        (
            {"qrels": QRELS | {"q1": {"x": 1, "y": 1}, "q2": {"x": 1}}},
            "2 relevant documents missing from the corpus: 'x', 'y';",
        ),
        ({"qrels": {"q1": {"d1": 1}}}, "1 queries without a relevant document: 'q2';"),
        ({"qrels": QRELS | {"q2": {}}}, "1 queries without a relevant document: 'q2';"),
        (
            {"qrels": {"q1": {"d1": 0}, "q2": {"d2": -1, "d1": float("nan")}}},
            "3 grades that are not above 0: 'q1 -> d1: 0', 'q2 -> d2: -1', 'q2 -> d1: nan';",
        ),
        (
            {"qrels": {"q1": {"d1": float("inf")}, "q2": {"d2": "2", "d1": None}}},
            "3 grades that are not finite numbers: 'q1 -> d1: inf', 'q2 -> d2: 2', "
            "'q2 -> d1: None';",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_its_names_and_count(
    changes: dict[str, Any], message: str
) -> None:
    parts: dict[str, Any] = {"queries": QUERIES, "corpus": CORPUS, "qrels": QRELS} | changes
    with pytest.raises(InvalidDatasetError) as caught:
        RetrievalDataset(**parts)
    assert str(caught.value).startswith(message)


def test_of_many_offenders_three_are_named_and_all_are_counted() -> None:
    corpus = CORPUS | dict.fromkeys(named("empty", 5), "")
    with pytest.raises(InvalidDatasetError, match=r"^5 documents without text") as caught:
        RetrievalDataset(QUERIES, corpus, QRELS)
    assert "'empty0', 'empty1', 'empty2' and 2 more;" in str(caught.value)


def test_a_dataset_does_not_change_with_the_mappings_it_was_made_of() -> None:
    queries, corpus = dict(QUERIES), dict(CORPUS)
    qrels = {query: dict(grades) for query, grades in QRELS.items()}
    dataset = RetrievalDataset(queries, corpus, qrels)
    queries.clear()
    corpus.clear()
    qrels["q1"]["d1"] = -1
    assert dataset == RetrievalDataset(QUERIES, CORPUS, QRELS)


def test_a_dataset_cannot_be_changed() -> None:
    dataset = RetrievalDataset(QUERIES, CORPUS, QRELS)
    mappings: list[Mapping[str, Any]] = [dataset.queries, dataset.corpus, dataset.qrels["q1"]]
    for mapping in mappings:
        with pytest.raises(TypeError):
            mapping["new"] = 1  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        dataset.queries = {}  # type: ignore[misc]


def pickled(dataset: RetrievalDataset) -> Any:
    return pickle.loads(pickle.dumps(dataset))  # noqa: S301 (worker processes receive it pickled)


@pytest.mark.parametrize("copied", [copy, deepcopy, pickled])
def test_a_dataset_goes_to_other_processes_and_into_copies(copied: Any) -> None:
    dataset = RetrievalDataset(QUERIES, CORPUS, QRELS)
    again = copied(dataset)
    assert again == dataset
    assert list(again.qrels["q2"]) == ["d2", "d1"]
    with pytest.raises(TypeError):
        again.queries["new"] = "text"


def test_selecting_questions_keeps_their_grades_the_whole_corpus_and_the_order_asked_for() -> None:
    selected = RetrievalDataset(QUERIES, CORPUS, QRELS).select(iter(["q2", "q1"]))
    assert list(selected.queries) == ["q2", "q1"]
    assert selected.corpus == CORPUS
    assert selected.qrels == QRELS
    assert RetrievalDataset(QUERIES, CORPUS, QRELS).select(["q2"]).qrels == {"q2": QRELS["q2"]}


def test_selecting_nothing_or_an_unknown_question_is_refused() -> None:
    dataset = RetrievalDataset(QUERIES, CORPUS, QRELS)
    with pytest.raises(InvalidDatasetError, match="no queries"):
        dataset.select([])
    with pytest.raises(KeyError, match="q9"):
        dataset.select(["q9"])


def test_labelled_documents_come_once_and_in_corpus_order() -> None:
    dataset = RetrievalDataset(QUERIES, CORPUS, {"q1": {"d3": 1}, "q2": {"d1": 1, "d3": 2}})
    assert dataset.labelled_documents == ("d1", "d3")


def test_listed_documents_get_grade_one() -> None:
    relevant = {"q1": ["d1"], "q2": iter(["d2", "d1", "d2"])}
    dataset = RetrievalDataset.from_relevant_docs(QUERIES, CORPUS, relevant)
    assert dataset.qrels == {"q1": {"d1": 1.0}, "q2": {"d2": 1.0, "d1": 1.0}}


def test_grades_of_any_size_above_zero_are_kept() -> None:
    qrels: dict[str, dict[str, float]] = {"q1": {"d1": 1e-9, "d2": 2}, "q2": {"d3": 100}}
    assert RetrievalDataset(QUERIES, CORPUS, qrels).qrels == qrels


def test_a_dataset_shows_its_counts_and_not_its_texts() -> None:
    shown = repr(RetrievalDataset(QUERIES, CORPUS, QRELS))
    assert shown == "RetrievalDataset(2 queries, 3 documents, 3 judgements)"


def test_questions_over_an_index_need_no_texts_of_documents() -> None:
    pairs = [("how far?", "d1"), ("how long?", ["d2", "d1"]), ("how far?", "d2")]
    dataset = to_indexed_dataset(pairs)
    assert dataset.queries == {"how far?": "how far?", "how long?": "how long?"}
    assert dataset.qrels == {"how far?": {"d1": 1, "d2": 1}, "how long?": {"d2": 1, "d1": 1}}
    assert set(dataset.corpus) == {"d1", "d2"}
    assert to_indexed_dataset({"how far?": "d1"}).qrels == {"how far?": {"d1": 1}}


def test_of_a_dataset_over_an_index_grades_and_texts_of_the_labelled_are_kept() -> None:
    dataset = to_indexed_dataset(RetrievalDataset(QUERIES, CORPUS, QRELS))
    assert dataset.qrels == QRELS
    assert dataset.corpus == {key: CORPUS[key] for key in ("d1", "d2")}
    relevant = {query: list(grades) for query, grades in QRELS.items()}
    without_texts = SimpleNamespace(queries=QUERIES, corpus={}, relevant_docs=relevant)
    indexed = to_indexed_dataset(without_texts)
    assert indexed.queries == QUERIES
    assert indexed.qrels == {query: dict.fromkeys(docs, 1.0) for query, docs in relevant.items()}


@pytest.mark.parametrize("questions", [[], {}, [("how far?", [])], [(" ", "d1")]])
def test_questions_over_an_index_are_validated_too(questions: Any) -> None:
    with pytest.raises(InvalidDatasetError):
        to_indexed_dataset(questions)


@pytest.mark.parametrize("ids", ["d1", 1, None])
def test_one_id_instead_of_a_list_is_refused_with_its_question(ids: Any) -> None:
    relevant: Any = {"q1": ["d1"], "q2": ids}
    theirs = SimpleNamespace(queries=QUERIES, corpus=CORPUS, relevant_docs=relevant)
    told = f"query 'q2': expected a list of document ids, got {ids!r}; write"
    with pytest.raises(InvalidDatasetError, match=told):
        RetrievalDataset.from_relevant_docs(QUERIES, CORPUS, relevant)
    with pytest.raises(InvalidDatasetError, match=told):
        to_retrieval_dataset(theirs)
    with pytest.raises(InvalidDatasetError, match=told):
        to_indexed_dataset(theirs)


@pytest.mark.parametrize(
    ("questions", "got"),
    [
        ([("how far?", "d1", 3.0)], r"got \('how far\?', 'd1', 3.0\)"),
        (["ab"], "got 'ab'"),
        ("ab", "got 'a'"),
        ([(1, "d1")], r"got \(1, 'd1'\)"),
        ({"how far?": None}, "got None"),
        ({"how far?": 1.5}, "got 1.5"),
        ({"how far?": [None]}, r"got \('how far\?', \[None\]\)"),
        (None, "got None"),
    ],
    ids=str,
)
def test_questions_of_another_shape_are_refused_with_what_was_expected(
    questions: Any, got: str
) -> None:
    with pytest.raises(InvalidDatasetError, match=f"questions: expected a mapping .*{got}; for"):
        to_indexed_dataset(questions)


def test_questions_in_a_pandas_table_are_refused() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(
        InvalidDatasetError, match=r"expected a mapping .*got 'query'; .*load_dataset"
    ):
        to_indexed_dataset(pandas.DataFrame({"query": ["how far?"], "id": ["d1"]}))


def test_the_function_that_the_refusal_names_exists() -> None:
    rows: Any = [{"question": "how far?", "relevant_chunks": ["d1"]}]
    with pytest.raises(InvalidDatasetError, match=r"which \S+ makes of a table") as caught:
        to_indexed_dataset(rows)
    named = re.search(r"which (\S+) makes", str(caught.value))
    assert named is not None
    assert callable(resolve_name(named[1]))


def test_numbers_as_ids_become_texts() -> None:
    questions: Any = {"a b": 17, "c": [18, "d"]}
    indexed = to_indexed_dataset(questions)
    assert indexed.qrels == {"a b": {"17": 1}, "c": {"18": 1, "d": 1}}


@pytest.mark.parametrize(
    ("queries", "corpus", "told"),
    [
        ({"q1": "a \ud800?"}, {"d1": "b"}, "1 queries with lone surrogates .*: 'q1'"),
        ({"\udfff": "a?"}, {"d1": "b"}, r"1 queries with lone surrogates .*: '\\udfff'"),
        ({"q1": "a?"}, {"d1": "b\ud800"}, "1 documents with lone surrogates .*: 'd1'"),
    ],
)
def test_text_that_no_file_can_hold_is_refused(
    queries: dict[str, str], corpus: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidDatasetError, match=told):
        RetrievalDataset(queries, corpus, {query: {"d1": 1} for query in queries})
