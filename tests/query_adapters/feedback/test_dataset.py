"""Tests of the dataset that feedback gives: labels, grades, what is merged and what left out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback import (
    FeedbackDataset,
    FeedbackEvent,
    FeedbackLog,
    Propensities,
    ShownList,
    dataset_from_feedback,
)
from query_adapters.feedback.dataset import PositionBias
from tests.query_adapters.feedback.simulated import KEY, shown, users

TEXTS = {"a": "Four miles.", "b": "An hour.", "c": "By boat."}
EVEN = Propensities(np.ones(3))


def grades(found: FeedbackDataset) -> dict[str, dict[str, float]]:
    dataset = found.dataset
    return {dataset.queries[query]: dict(row) for query, row in dataset.qrels.items()}


def repeated(n: int, **options: Any) -> list[ShownList]:
    """Return n lists of a question whose document "b" is clicked each time."""
    return [
        shown("how far?", ["a", "b", "c"], clicked=["b"], name=f"/{s}", **options) for s in range(n)
    ]


def test_repeated_clicks_become_a_label_and_equal_questions_are_merged() -> None:
    lists = [*repeated(3), shown("How far", ["b", "a"], clicked=["b"], name="/3")]
    found = dataset_from_feedback(lists, TEXTS, propensities=EVEN)
    assert list(grades(found)) == ["how far?"]
    assert grades(found)["how far?"].keys() == {"b"}
    assert found.dataset.corpus == TEXTS
    assert (found.n_lists, found.n_questions, found.clicks.n_clicks) == (4, 1, 4)


def test_without_a_corpus_ids_stand_for_the_texts() -> None:
    found = dataset_from_feedback(repeated(3), propensities=EVEN)
    assert found.dataset.corpus == {"b": "b"}


def test_a_stray_click_beside_many_on_another_document_is_no_label() -> None:
    lists = [*repeated(9), shown("how far?", ["a", "b", "c"], clicked=["c"], name="/9")]
    found = dataset_from_feedback(lists, TEXTS, propensities=EVEN)
    assert grades(found)["how far?"].keys() == {"b"}
    assert found.dropped["clicked documents that are relevant with a probability below 0.5"] == 1
    everything = dataset_from_feedback(lists, TEXTS, propensities=EVEN, min_probability=0)
    assert grades(everything)["how far?"].keys() == {"b", "c"}


def test_grades_are_click_rates_with_inverse_propensity_weights() -> None:
    lists = [
        shown("how far?", ["a", "b"], clicked=["a", "b"][: 1 + (s < 5)], name=f"/{s}")
        for s in range(10)
    ]
    given = Propensities(np.array([1.0, 0.5]))
    found = dataset_from_feedback(lists, TEXTS, propensities=given, min_probability=0)
    # "a": 10 of 10 at weight 1; "b": 5 of 10 at weight 2; both over the rate of a relevant one
    assert grades(found)["how far?"] == {"a": 1.0, "b": 1.0}
    clipped = dataset_from_feedback(
        lists, TEXTS, propensities=given, min_probability=0, least_propensity=1
    )
    rate = clipped.clicks.click_rate
    assert rate is not None
    assert grades(clipped)["how far?"]["b"] == pytest.approx(0.5 / rate)
    assert clipped.clicks.effective_clicks == pytest.approx(15)
    assert found.clicks.effective_clicks == pytest.approx((10 + 2 * 5) ** 2 / (10 + 4 * 5))


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_corrected_labels_are_right_where_raw_clicks_are_not(eta: float) -> None:
    lists, answers = users(400, 10, eta=eta, noise=0.15)
    found = dataset_from_feedback(lists)
    shown_answers = {q: d for q, d in answers.items() if not d.endswith("-6")}
    right = sum(shown_answers.get(q) in row for q, row in grades(found).items())
    n_labels = sum(map(len, grades(found).values()))
    assert right > 0.88 * len(shown_answers)
    assert right > 0.9 * n_labels
    clicked = [(one.question, e.document) for one in lists for e in one.events]
    raw = np.mean([answers[str(question)] == document for question, document in clicked])
    assert raw < 0.8
    unanswered = {q for q, d in answers.items() if d.endswith("-6")}
    assert unanswered <= set(found.unanswered) | set(grades(found))
    first = found.unanswered[: len(found.unanswered) // 2]
    assert len(unanswered.intersection(first)) > len(unanswered) / 3


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_clicks_that_do_not_depend_on_the_document_are_no_labels(eta: float) -> None:
    lists, _ = users(400, 10, eta=eta, noise=0.3, click_rate=0.3)
    with pytest.raises(InvalidDatasetError, match="400 questions: none has a label"):
        dataset_from_feedback(lists)


def test_one_list_per_question_cannot_tell_the_propensities() -> None:
    lists, _ = users(50, 2, eta=1)
    with pytest.raises(InvalidDatasetError, match="0 questions recur: give them"):
        dataset_from_feedback(lists)


def test_propensities_are_fitted_to_recurring_questions_or_else_to_swaps() -> None:
    recurring, _ = users(60, 6, eta=1, shuffled=True)
    rare, _ = users(600, 2, eta=1, shuffled=True)
    cases: list[tuple[list[ShownList], PositionBias]] = [
        (recurring, None),
        (recurring, "swaps"),
        (rare, None),
    ]
    sources = [
        dataset_from_feedback(lists, propensities=given).clicks.propensities
        for lists, given in cases
    ]
    assert ["AllPairs" in str(found) for found in sources] == [False, True, True]


def test_a_rating_outweighs_clicks_and_its_grade_is_a_share_of_the_best_one() -> None:
    lists = [
        *repeated(5),
        shown("how far?", ["a", "b"], rated={"b": -1.0, "a": 3.0}, name="/x"),
        shown("how far?", ["a"], rated={"a": 5.0, None: 4.0}, name="/y"),
    ]
    found = dataset_from_feedback(lists, TEXTS, propensities=EVEN)
    assert grades(found) == {"how far?": {"a": pytest.approx(4 / 5)}}
    assert found.n_ratings == 3
    assert found.dropped["documents rated as not relevant"] == 1
    assert found.dropped["ratings of whole lists, which do not say which document helped"] == 1
    of_ten = dataset_from_feedback(lists, TEXTS, propensities=EVEN, best_rating=10)
    assert grades(of_ten)["how far?"]["a"] == pytest.approx(4 / 10)


def test_citations_are_grades_by_how_often_an_answer_cites_what_it_was_given() -> None:
    lists = [
        shown("how far?", ["a", "b"], cited=["a"], name="/1"),
        shown("how far?", ["a", "b"], cited=["a", "b"], name="/2"),
        shown("how far?", ["a", "b"], name="/3"),  # no answer was written
    ]
    assert grades(dataset_from_feedback(lists, TEXTS)) == {"how far?": {"a": 1.0, "b": 0.5}}
    twice = dataset_from_feedback(lists, TEXTS, min_citations=2)
    assert grades(twice) == {"how far?": {"a": 1.0}}


def test_old_lists_fade() -> None:
    old = [shown("how far?", ["a", "b"], cited=["a"], name="old", time=0)]
    new = [shown("how far?", ["a", "b"], cited=["b"], name="new", time=86_400.0)]
    found = dataset_from_feedback([*old, *new], TEXTS, half_life_days=1)
    assert grades(found)["how far?"] == pytest.approx({"a": 1 / 3, "b": 2 / 3})


def test_a_question_that_cannot_be_embedded_is_left_out_and_counted(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log")
    for question in ("how far?", "cut emoji \ud83d"):
        log.cited(log.shown(question, ["a"]), "a")
    found = dataset_from_feedback(log, TEXTS)
    assert list(grades(found)) == ["how far?"]
    assert found.dropped["lists without a text or a vector of their question"] == 1


def test_feedback_on_what_was_not_shown_is_refused_or_counted() -> None:
    lists = [*repeated(5), shown("how far?", ["a"], clicked=["z"], rated={"y": 1.0}, name="/x")]
    with pytest.raises(InvalidDatasetError, match=r"feedback on 2 documents .* did not show: 'y'"):
        dataset_from_feedback(lists, TEXTS, propensities=EVEN)
    found = dataset_from_feedback(lists, TEXTS, propensities=EVEN, skip_strangers=True)
    assert grades(found)["how far?"].keys() == {"b"}
    assert found.dropped["documents with feedback that their list did not show"] == 2


def test_labels_outside_the_corpus_are_counted_and_none_left_is_an_error() -> None:
    lists = [*repeated(5), shown("who?", ["z", "a"], cited=["z", "a"])]
    found = dataset_from_feedback(lists, TEXTS, propensities=EVEN)
    assert grades(found)["who?"] == {"a": 1.0}
    assert found.dropped["labels on documents that are not in the corpus"] == 1
    with pytest.raises(InvalidDatasetError, match="5 shown lists about 1 questions: none has"):
        dataset_from_feedback(repeated(5), {"z": "text"}, propensities=EVEN)
    with pytest.raises(InvalidDatasetError, match="0 shown lists"):
        dataset_from_feedback([])


@pytest.mark.parametrize(
    "options",
    [
        {"least_propensity": 0},
        {"least_propensity": float("nan")},
        {"min_probability": 1.5},
        {"min_citations": 0},
        {"half_life_days": -1},
        {"best_rating": 0},
        {"propensities": [1, 0]},
        {"propensities": [1, float("nan")]},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        dataset_from_feedback(repeated(2), TEXTS, **options)


@pytest.mark.parametrize(
    "event", [{"kind": "rated", "document": "a"}, {"kind": "clicked"}, {"kind": "eaten"}], ids=str
)
def test_events_without_their_parts_are_refused(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidDatasetError, match="expected"):
        FeedbackEvent(**event)


def test_questions_without_text_are_embedded_by_their_logged_vectors(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log", questions="vector")
    for vector in ([1.0, 0.0], [0.0, 1.0]):
        log.cited(log.shown("how far?", ["a", "b"], vector=vector), "a")
    found = dataset_from_feedback(log, TEXTS)
    assert len(found.dataset.queries) == 2
    embedder: Any = found.embedder(None)  # type: ignore[arg-type]
    assert "far" not in "".join(found.dataset.queries.values())
    vectors = embedder.embed_queries(list(found.dataset.queries.values()))
    assert sorted(vectors.tolist()) == [[0.0, 1.0], [1.0, 0.0]]


def test_the_summary_states_what_the_labels_rest_on_and_what_was_left_out(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log")
    for _ in range(4):
        log.clicked(log.shown("how far?", ["a", "b"]), "b")
    log.shown("who?", ["a"])
    with (tmp_path / "log").open("ab") as file:
        file.write(b"{cut\n")
    found = dataset_from_feedback(log, TEXTS, propensities=[1.0, 0.5])
    lines = str(found).splitlines()
    assert lines[0] == "1 of 2 questions have a label (1 labels, from 5 shown lists)"
    assert lines[1] == ("Clicks behind the labels: 4, which tell as much as 4 of equal weight")
    assert lines[2] == "Position propensities: 1.00, 0.50 (given)"
    assert "Left out: 1 damaged lines" in lines
    assert "Left out: 1 questions without a label" in lines
    assert found.to_record()["left_out"] == {"damaged lines": 1, "questions without a label": 1}
    assert KEY("how far?") in found.dataset.queries


def test_questions_may_count_by_their_evidence_of_at_most_ten_times_the_median() -> None:
    asked = {"how far?": 40, "how old?": 3, "how deep?": 3}
    lists = [
        shown(question, ("a", "b"), clicked=["b"], name=str(number))
        for question, n in asked.items()
        for number in range(n)
    ]
    plain = dataset_from_feedback(lists, propensities=[1.0, 0.5])
    assert not plain.dataset.weights
    found = dataset_from_feedback(lists, propensities=[1.0, 0.5], weigh_questions=True)
    by_text = {found.dataset.queries[key]: n for key, n in found.dataset.weights.items()}
    assert by_text == {"how far?": 60.0, "how old?": 6.0, "how deep?": 6.0}  # clicks weigh 2 each
    assert found.dataset.qrels == plain.dataset.qrels
    assert "Questions count by their evidence, as many as 1 that count alike" in str(found)
