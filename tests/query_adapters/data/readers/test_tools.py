"""Tests of the formats of other tools, on files as the named versions of the tools write them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langsmith.schemas import Example

from query_adapters.data import AnsweredQuestion, load_dataset, load_questions
from query_adapters.data.readers.registry import ROW_FORMATS, row_format
from query_adapters.errors import DatasetWarning, InvalidDatasetError

FAR, FISH = "How far is the harbour?", "Who may fish there?"
MILES, SIGNS = "The harbour is four miles away; walk.", "It's 'signposted' in \"miles\"."
MEMBERS, GUESTS = "Members may fish.", "Guests need a permit."

RAGAS_JSONL = """\
{"user_input": "How far is the harbour?", "reference_contexts": ["The harbour is four miles away; \
walk.", "It's 'signposted' in \\"miles\\"."], "reference": "Four miles.", \
"synthesizer_name": "single_hop"}
{"user_input": "Who may fish there?", "reference_contexts": ["<1-hop>\\n\\nMembers may fish.", \
"<2-hop>\\n\\nGuests need a permit."], "reference": "Members.", "synthesizer_name": "multi_hop"}
"""  # ragas 0.4.3, Testset.to_jsonl
RAGAS_CSV = """\
user_input,reference_contexts,reference,synthesizer_name
How far is the harbour?,"['The harbour is four miles away; walk.', 'It\\'s \\'signposted\\' in \
""miles"".']",Four miles.,single_hop
Who may fish there?,"['<1-hop>\\n\\nMembers may fish.', '<2-hop>\\n\\nGuests need a permit.']",\
Members.,multi_hop
"""  # ragas 0.4.3, Testset.to_csv
GOLDEN = {
    "actual_output": None,
    "expected_output": "Four miles.",
    "retrieval_context": None,
    "context": [MILES, SIGNS],
    "name": None,
    "comments": None,
    "source_file": None,
    "tools_called": None,
    "expected_tools": None,
    "token_cost": None,
    "input_token_count": None,
    "output_token_count": None,
    "additional_metadata": None,
    "custom_column_key_values": None,
    "expectations": None,
}  # deepeval 4.3.1, EvaluationDataset.save_as("json"), after `input`
DEEPEVAL_JSON = json.dumps(
    [
        {"input": FAR, **GOLDEN},
        {"input": FISH, **GOLDEN, "expected_output": "Members.", "context": [MEMBERS, GUESTS]},
    ]
)
DEEPEVAL_CSV = """\
input,actual_output,expected_output,retrieval_context,context,name,comments,source_file,\
tools_called,expected_tools,token_cost,input_token_count,output_token_count,additional_metadata,\
custom_column_key_values,expectations
How far is the harbour?,,Four miles.,,"The harbour is four miles away; walk.|It's 'signposted' in \
""miles"".",,,,,,,,,,,
Who may fish there?,,Members.,,Members may fish.|Guests need a permit.,,,,,,,,,,,
"""  # deepeval 4.3.1, save_as("csv")
DEEPEVAL_JSONL = "\n".join(
    json.dumps({"input": question, **GOLDEN, "expected_output": answer, "context": "|".join(texts)})
    for question, answer, texts in (
        (FAR, "Four miles.", (MILES, SIGNS)),
        (FISH, "Members.", (MEMBERS, GUESTS)),
    )
)  # deepeval 4.3.1, save_as("jsonl")
LABELLED_RAG = json.dumps(
    {
        "examples": [
            {
                "query": question,
                "query_by": {"model_name": "a-model", "type": "ai"},
                "reference_contexts": list(texts),
                "reference_answer": answer,
                "reference_answer_by": {"model_name": "", "type": "human"},
            }
            for question, answer, texts in (
                (FAR, "Four miles.", (MILES, SIGNS)),
                (FISH, "Members.", (MEMBERS, GUESTS)),
            )
        ]
    },
    indent=4,
)  # llama-index-core 0.13.6, LabelledRagDataset.save_json
PROMPTFOO = """\
description: harbour
prompts: ['{{question}}']
tests:
  - vars:
      question: How far is the harbour?
      context: [The harbour is four miles away; walk., It's 'signposted' in "miles".]
    assert:
      - type: llm-rubric
        value: is polite
      - type: contains
        value: Four miles.
  - vars: {question: 'Who may fish there?', context: [Members may fish., Guests need a permit.]}
    assert: [{type: equals, value: Members.}]
"""  # promptfoo's configuration reference
LANGSMITH = "\n".join(
    Example(
        id=UUID(int=number),
        dataset_id=UUID(int=9),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        inputs={"question": question},
        outputs={"answer": answer, "contexts": list(texts)},
        metadata={"dataset_split": ["base"]},
    ).model_dump_json()
    for number, (question, answer, texts) in enumerate(
        [(FAR, "Four miles.", (MILES, SIGNS)), (FISH, "Members.", (MEMBERS, GUESTS))]
    )
)
LANGSMITH_CSV = f"""\
id,inputs,outputs
1,"{{""question"": ""{FAR}""}}","{{""answer"": ""Four miles."", ""contexts"": \
[""{MILES}"", ""It's 'signposted' in \\""miles\\"".""]}}"
2,"{{""question"": ""{FISH}""}}","{{""answer"": ""Members."", ""contexts"": \
[""{MEMBERS}"", ""{GUESTS}""]}}"
"""
FILES = {
    "ragas.jsonl": RAGAS_JSONL,
    "ragas.csv": RAGAS_CSV,
    "deepeval.json": DEEPEVAL_JSON,
    "deepeval.csv": DEEPEVAL_CSV,
    "deepeval.jsonl": DEEPEVAL_JSONL,
    "labelled-rag.json": LABELLED_RAG,
    "promptfoo.yaml": PROMPTFOO,
    "langsmith.jsonl": LANGSMITH,
    "langsmith.csv": LANGSMITH_CSV,
}


@pytest.mark.parametrize("name", FILES)
def test_a_test_set_becomes_questions_and_a_dataset(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    found = [(one.question, one.passages, one.answer) for one in load_questions(path)]
    assert found == [
        (FAR, (MILES, SIGNS), "Four miles."),
        (FISH, (MEMBERS, GUESTS), "Members."),
    ]
    dataset = load_dataset(path)
    assert list(dataset.queries.values()) == [FAR, FISH]
    assert list(dataset.corpus.values()) == [MILES, SIGNS, MEMBERS, GUESTS]
    relevant = [[dataset.corpus[key] for key in grades] for grades in dataset.qrels.values()]
    assert relevant == [[MILES, SIGNS], [MEMBERS, GUESTS]]
    assert load_dataset(path, format=path.stem) == dataset


def test_contexts_that_ragas_0_1_retrieved_are_not_taken_as_relevant() -> None:
    rows = [
        {"question": FAR, "contexts": [GUESTS], "answer": "Far.", "ground_truth": "Four miles."}
    ]
    assert load_questions(rows) == (AnsweredQuestion(FAR, (), "Four miles."),)
    with (
        pytest.raises(InvalidDatasetError, match=r"row 1: none of 1 questions .*load_questions"),
    ):
        load_dataset(rows)


def test_ragas_rows_keep_their_ids_and_conversations_are_left_out() -> None:
    rows = [
        {"user_input": FAR, "reference_contexts": [MILES], "reference_context_ids": [7]},
        {"user_input": [{"type": "human", "content": FISH}], "reference": "Members."},
    ]
    with pytest.warns(DatasetWarning, match=r"1 with a conversation .* \(row 2\)"):
        dataset = load_dataset(rows)
    assert dataset.corpus == {"7": MILES}
    rows = [{"user_input": FAR, "reference_contexts": [MILES], "reference_context_ids": ["a", "b"]}]
    with pytest.raises(InvalidDatasetError, match=r"row 1: .* got 2 ids of 1 documents"):
        load_dataset(rows)


def test_ids_of_langsmith_examples_stay_with_their_questions(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_text(LANGSMITH, encoding="utf-8")
    assert list(load_dataset(path).queries) == [str(UUID(int=0)), str(UUID(int=1))]


def record(document: str, *answers: str, **extra: Any) -> dict[str, Any]:
    """Return a record as argilla 2.8.0 writes it with `records.to_json`."""
    users = (str(UUID(int=number)) for number in range(len(answers)))
    responses = [{"value": v, "user_id": user} for v, user in zip(answers, users, strict=True)]
    return {
        "id": None,
        "fields": {"query": FAR, "document": document},
        "metadata": {},
        "suggestions": {"relevance": {"value": "no", "score": 0.4, "agent": "a-model"}},
        "responses": {"relevance": responses} if answers else {},
        "vectors": {},
        "status": "pending",
        "_server_id": None,
        **extra,
    }


def task(document: str, *values: dict[str, Any], is_cancelled: bool = False) -> dict[str, Any]:
    """Return a task as in Label Studio's JSON export."""
    annotations = [
        {
            "id": number,
            "was_cancelled": is_cancelled,
            "result": [
                {
                    "id": "r",
                    "type": next(iter(value)),
                    "value": value,
                    "to_name": "passage",
                    "from_name": "relevance",
                    "origin": "manual",
                }
            ],
        }
        for number, value in enumerate(values)
    ]
    return {
        "id": 1,
        "data": {"query": FAR, "passage": document},
        "annotations": annotations,
        "predictions": [],
        "project": 83,
    }


def test_answers_of_annotators_in_argilla_are_averaged_and_suggestions_ignored() -> None:
    records = [
        record(MILES, "yes", "yes", "no"),
        record(SIGNS, "no", "no", "yes"),
        record(GUESTS),
    ]
    with pytest.warns(DatasetWarning, match=r"1 without an annotation \(row 3\)"):
        dataset = load_dataset(records)
    assert list(dataset.corpus.values()) == [MILES, SIGNS]
    (grades,) = dataset.qrels.values()
    assert list(grades.values()) == [2 / 3]


def test_choices_and_ratings_of_label_studio_are_grades() -> None:
    tasks = [
        task(MILES, {"rating": 4}, {"rating": 5}),
        task(SIGNS, {"choices": ["Relevant"]}),
        task(MEMBERS, {"choices": ["Not relevant"]}),
        task(GUESTS, {"rating": 3}, is_cancelled=True),
    ]
    with pytest.warns(DatasetWarning, match=r"1 without an annotation \(row 4\)"):
        dataset = load_dataset(tasks)
    assert list(dataset.corpus.values()) == [MILES, SIGNS, MEMBERS]
    (grades,) = dataset.qrels.values()
    assert list(grades.values()) == [4.5, 1.0]


def test_an_annotation_that_says_nothing_of_relevance_is_not_taken_for_it() -> None:
    records = [record(MILES, responses={"fluent": [{"value": "yes", "user_id": "u"}]})]
    with pytest.raises(InvalidDatasetError, match=r"needs a column of relevance .*'fluent'"):
        load_dataset(records)
    assert load_dataset(records, columns={"relevance": "fluent"}).qrels


def test_annotators_who_left_a_question_open_do_not_count() -> None:
    open_ones = {"relevance": [{"value": None, "user_id": "u"}, {"value": "yes", "user_id": "v"}]}
    records = [record(MILES, responses=open_ones | {"note": [{"value": "", "user_id": "u"}]})]
    (grades,) = load_dataset(records).qrels.values()
    assert list(grades.values()) == [1.0]


def test_a_cell_of_langsmith_that_is_no_json_holds_no_question() -> None:
    rows = [{"inputs": "{", "outputs": "7", "question": FAR, "context": MILES}]
    assert list(load_dataset(rows).corpus.values()) == [MILES]


def test_texts_that_annotators_wrote_are_answers() -> None:
    written = {
        "relevance": [{"value": 2, "user_id": "u"}],
        "reference_answer": [{"value": "Four miles.", "user_id": "u"}],
    }
    (question,) = load_questions([record(MILES, responses=written)])
    assert question == AnsweredQuestion(FAR, (MILES,), "Four miles.")


@pytest.mark.parametrize(
    ("cell", "answer"),
    [("equals: Members.", "Members."), ("Members.", "Members."), ("is-json:", None)],
)
def test_answers_in_csv_files_of_promptfoo_are_read(cell: str, answer: str | None) -> None:
    rows = [{"question": FISH, "context": MEMBERS, "__expected": cell, "__metric": "m"}]
    assert load_questions(rows) == (AnsweredQuestion(FISH, (MEMBERS,), answer),)


def test_files_that_a_test_case_names_are_refused() -> None:
    rows = [{"vars": {"question": FISH, "context": "file://members.txt"}}]
    with pytest.raises(InvalidDatasetError, match=r"row 1: .*file://members.txt"):
        load_dataset(rows)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("ragas", {"user_input": "?", "reference": "!"}),
        ("deepeval", {"input": "?", "context": ["!"]}),
        ("labelled-rag", {"query": "?", "reference_contexts": [], "reference_answer": ""}),
        ("argilla", record(MILES)),
        ("label-studio", task(MILES)),
        ("promptfoo", {"vars": {}}),
        ("langsmith", {"inputs": {}, "outputs": None}),
        ("pairs", {"anchor": "?", "positive": "!"}),
        ("table", {"query": "?", "document": "!"}),
    ],
)
def test_a_row_is_recognised_and_fits_no_other_tool(name: str, row: dict[str, Any]) -> None:
    assert row_format(row, None).name == name
    fitting = {known.name for known in ROW_FORMATS.values() if known.fits(row)}
    assert fitting == {name, "table"}


def test_a_row_of_another_format_than_the_named_one_is_refused() -> None:
    for name in ("argilla", "label-studio"):
        with pytest.raises(
            InvalidDatasetError, match=f"row 1: expected a row of the format {name}"
        ):
            load_dataset([{"query": "?", "document": "!"}], format=name)
    with pytest.raises(InvalidDatasetError, match=r"expected one of the formats .*; got 'rags'"):
        load_dataset([{"query": "?", "document": "!"}], format="rags")
