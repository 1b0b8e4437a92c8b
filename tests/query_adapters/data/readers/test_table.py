"""Tests of tables: which column plays which role, and what cells mean."""

import logging
from typing import Any

import pytest

from query_adapters.data import AnsweredQuestion, RetrievalDataset, load_dataset, load_questions
from query_adapters.data.answers import text_id
from query_adapters.errors import DatasetWarning, InvalidDatasetError

ROWS: list[dict[str, Any]] = [
    {"query_id": "q1", "query": "how far?", "document_id": "d1", "document": "Four miles."},
    {"query_id": "q2", "query": "how long?", "document_id": "d2", "document": "An hour."},
    {"query_id": "q1", "query": "how far?", "document_id": "d2", "document": "An hour."},
]


def relevant(dataset: RetrievalDataset) -> dict[str, list[str]]:
    """Return the texts of the relevant documents by question."""
    return {
        dataset.queries[query]: [dataset.corpus[key] for key in grades]
        for query, grades in dataset.qrels.items()
    }


def test_rows_with_ids_make_one_question_of_each_id() -> None:
    dataset = load_dataset(iter(ROWS))
    assert dataset.queries == {"q1": "how far?", "q2": "how long?"}
    assert dataset.corpus == {"d1": "Four miles.", "d2": "An hour."}
    assert dataset.qrels == {"q1": {"d1": 1, "d2": 1}, "q2": {"d2": 1}}


def test_texts_without_ids_are_named_by_their_hash_and_equal_ones_are_one() -> None:
    dataset = load_dataset([{k: row[k] for k in ("query", "document")} for row in ROWS])
    assert relevant(dataset) == {"how far?": ["Four miles.", "An hour."], "how long?": ["An hour."]}
    assert text_id("how far?") == "5a1b015400fccda5"
    assert list(dataset.queries) == [text_id("how far?"), text_id("how long?")]
    assert list(dataset.corpus) == [text_id("Four miles."), text_id("An hour.")]


def test_texts_that_look_like_lists_are_taken_as_they_are() -> None:
    for text in ("[sic] four miles]", "[1, 2]", "[four miles]"):
        assert list(load_dataset([{"query": "?", "passage": text}]).corpus.values()) == [text]
    spelled = [{"query": "?", "passages": "['a', \"b's\"]"}]
    assert list(load_dataset(spelled).corpus.values()) == ["a", "b's"]


def test_a_document_without_a_text_is_refused_with_its_place() -> None:
    with pytest.raises(
        InvalidDatasetError, match="row 1: expected a document's text, or an object"
    ):
        load_dataset([{"query": "?", "passages": [{"url": "a"}]}])


def test_rows_without_any_question_are_no_dataset() -> None:
    with (
        pytest.warns(DatasetWarning, match="1 without a question"),
        pytest.raises(InvalidDatasetError, match="no queries"),
    ):
        load_dataset([{"query": None, "document": "a"}])


def test_triplets_keep_their_negatives_as_documents_that_compete() -> None:
    rows = [
        {
            "anchor": "how far?",
            "positive": "Four miles.",
            "negative_1": "No.",
            "negative_2": "Yes.",
        },
        {"anchor": "how long?", "positive": "An hour.", "negative_1": "Four miles."},
    ]
    dataset = load_dataset(rows)
    assert relevant(dataset) == {"how far?": ["Four miles."], "how long?": ["An hour."]}
    assert list(dataset.corpus.values()) == ["Four miles.", "No.", "Yes.", "An hour."]


def test_lists_of_positives_and_negatives_are_read() -> None:
    rows = [{"query": "how far?", "pos": ["Four miles.", "Not far."], "neg": ["No."], "prompt": ""}]
    dataset = load_dataset(rows)
    assert relevant(dataset) == {"how far?": ["Four miles.", "Not far."]}
    assert list(dataset.corpus.values()) == ["Four miles.", "Not far.", "No."]


def test_documents_may_be_objects_with_a_title_and_an_id() -> None:
    document = {"title": "Harbour", "text": "Four miles.", "passage_id": 8}
    rows = [{"question": "how far?", "positive_ctxs": [document], "hard_negative_ctxs": []}]
    assert load_dataset(rows).corpus == {"8": "Harbour Four miles."}


@pytest.mark.parametrize(
    ("value", "grade"),
    [("3", 3.0), (2, 2.0), (True, 1.0), ("Relevant", 1.0), ("thumbs_up", 1.0), (0.5, 0.5)],
)
def test_relevance_is_a_number_or_a_word(value: object, grade: float) -> None:
    dataset = load_dataset([{"query": "?", "document_id": 8, "document": "D", "relevance": value}])
    assert dataset.qrels == {text_id("?"): {"8": grade}}


@pytest.mark.parametrize("value", [0, "no", "not-relevant", False])
def test_documents_of_grade_0_compete_without_being_relevant(value: object) -> None:
    rows = [row | {"relevance": grade} for row, grade in zip(ROWS, (2, 1, value), strict=True)]
    dataset = load_dataset(rows)
    assert dataset.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1}}
    assert dataset.corpus == {"d1": "Four miles.", "d2": "An hour."}


def test_a_question_with_irrelevant_documents_alone_is_left_out_aloud() -> None:
    rows = [row | {"relevance": grade} for row, grade in zip(ROWS, (1, 0, 1), strict=True)]
    with pytest.warns(DatasetWarning, match=r"1 with irrelevant documents alone \(row 2\)"):
        dataset = load_dataset(rows)
    assert list(dataset.queries) == ["q1"]


def test_of_two_grades_of_one_pair_the_higher_counts() -> None:
    rows = [ROWS[0] | {"relevance": grade} for grade in (1, 3, 2)]
    assert load_dataset(rows).qrels == {"q1": {"d1": 3}}


@pytest.mark.parametrize("value", ["high", None, -1, float("inf"), [1]])
def test_a_relevance_that_is_none_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(InvalidDatasetError, match="row 2: expected grades"):
        load_dataset([ROWS[0] | {"relevance": 1}, ROWS[1] | {"relevance": value}])


@pytest.mark.parametrize("text", ["", " ", None, float("nan")])
def test_rows_without_a_text_are_left_out_and_counted(text: object) -> None:
    rows = [*ROWS, *(ROWS[0] | {"query": text} for _ in range(5))]
    with pytest.warns(
        DatasetWarning, match=r"left out: 5 without a question \(row 4, row 5, row 6 and 2 more\)"
    ):
        assert load_dataset(rows) == load_dataset(ROWS)
    with pytest.warns(DatasetWarning, match=r"1 without a document \(row 4\)"):
        load_dataset([*ROWS, {"query": "how come?", "document": text}])


@pytest.mark.parametrize("column", ["query", "document"])
def test_a_text_of_another_type_is_refused_with_its_place(column: str) -> None:
    with pytest.raises(InvalidDatasetError, match=r"row 4: expected a .* text, .*got 7"):
        load_dataset([*ROWS, ROWS[0] | {column: 7}])


@pytest.mark.parametrize(("column", "key"), [("query", "question"), ("document", "document")])
def test_one_id_for_two_texts_is_refused(column: str, key: str) -> None:
    with pytest.raises(
        InvalidDatasetError, match=f"row 4: expected one text per {key} id, got two"
    ):
        load_dataset([*ROWS, ROWS[0] | {column: "another text"}])


def test_documents_named_by_id_need_their_texts() -> None:
    rows = [{"question": "how far?", "relevant_ids": ["d1", 2]}]
    with pytest.raises(InvalidDatasetError, match="row 1: names document 'd1' without its text"):
        load_dataset(rows)
    dataset = load_dataset(rows, corpus={"d1": "Four miles.", "2": "An hour.", "3": "No."})
    assert relevant(dataset) == {"how far?": ["Four miles.", "An hour."]}
    assert list(dataset.corpus) == ["d1", "2", "3"]


def test_texts_are_found_in_a_corpus_and_are_refused_if_they_are_not() -> None:
    rows = [{"question": "how far?", "passage": "Four miles."}]
    assert load_dataset(rows, corpus={"c": "Four miles."}).qrels == {text_id("how far?"): {"c": 1}}
    with pytest.raises(
        InvalidDatasetError, match=r"row 1: .* missing from the corpus: 'Four miles"
    ):
        load_dataset(rows, corpus={"c": "The harbour is four miles away."})


def test_guessed_columns_are_logged_and_named_ones_come_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [{"Frage": "wie weit?", "Passage": "Vier Meilen.", "Score": 2, "n": 1}]
    with caplog.at_level(logging.INFO, "query_adapters"):
        dataset = load_dataset(rows, columns={"question": "Frage"})
    assert relevant(dataset) == {"wie weit?": ["Vier Meilen."]}
    assert caplog.messages == [
        "the table: format table, question from 'Frage', document from 'Passage', "
        "relevance from 'Score'"
    ]


@pytest.mark.parametrize(
    ("row", "columns", "told"),
    [
        ({"query": "?", "context": "!", "passage": "!"}, {}, "'context', 'passage' may all hold"),
        ({"frage": "?", "context": "!"}, {}, "no column of questions among 'frage', 'context'"),
        ({"frage": "?"}, {"question": "Frage"}, "has no column 'Frage'; its columns are 'frage'"),
        ({"frage": "?"}, {"query": "frage"}, "expected roles among question, .* got 'query'"),
    ],
)
def test_columns_that_are_not_understood_are_named(
    row: dict[str, str], columns: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidDatasetError, match=told):
        load_dataset([row], columns=columns)


def test_one_of_several_columns_can_be_chosen() -> None:
    rows = [{"query": "?", "context": "!", "passage": "other"}]
    assert list(load_dataset(rows, columns={"document": "context"}).corpus.values()) == ["!"]


def test_questions_with_answers_alone_are_kept_to_be_located() -> None:
    rows = [
        {"question": "how far?", "answer": "Four miles."},
        {"question": "how long?", "answer": ["An hour.", "60 minutes."], "qid": 3},
    ]
    assert load_questions(rows) == (
        AnsweredQuestion("how far?", (), "Four miles."),
        AnsweredQuestion("how long?", (), "An hour.", "3"),
    )
    with pytest.raises(InvalidDatasetError, match=r"none of 2 questions .* load_questions"):
        load_dataset(rows)


def test_passages_of_one_question_come_together_without_negatives() -> None:
    rows = [
        {"query": "?", "passage": "a", "negative": "c"},
        {"query": "?", "passage": "b", "negative": "c"},
        {"query": "?", "passage": "a", "negative": "d"},
    ]
    assert load_questions(rows) == (AnsweredQuestion("?", ("a", "b")),)


def test_a_dataset_gives_its_questions_with_the_texts_of_their_documents() -> None:
    dataset = load_dataset(ROWS)
    assert load_questions(dataset) == (
        AnsweredQuestion("how far?", ("Four miles.", "An hour."), None, "q1"),
        AnsweredQuestion("how long?", ("An hour.",), None, "q2"),
    )


def test_ids_that_pandas_made_floats_are_whole_numbers_again() -> None:
    rows = [{"query": "?", "document_id": 3.0}, {"query": "!", "document_id": "4"}]
    dataset = load_dataset(rows, corpus={"3": "three", "4": "four"})
    assert relevant(dataset) == {"?": ["three"], "!": ["four"]}
    with pytest.raises(
        InvalidDatasetError, match=r"row 1: expected a text or a whole number as id, got 0\.5"
    ):
        load_dataset([{"query": "?", "document_id": 0.5}], corpus={"3": "three"})


@pytest.mark.parametrize("source", [[("how far?", "Four miles.")], 7, []])
def test_what_is_no_table_is_refused(source: Any) -> None:
    with pytest.raises(
        InvalidDatasetError, match=r"row 1: expected a mapping|expected a path|no row"
    ):
        load_dataset(source)
