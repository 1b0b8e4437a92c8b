"""Tests of which adapters each guard keeps, and of the evidence that it requires."""

from typing import get_args

import numpy as np
import pytest

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.training.candidates import OutOfFoldTable
from query_adapters.training.decision import (
    Evidence,
    QuestionGroups,
    grouped_score,
    select_candidate,
)
from query_adapters.training.selection_test import selection_p_value
from query_adapters.training.view_test import combined_p_value, two_way_error
from query_adapters.typing import Guard, Rows
from tests.query_adapters.training.test_candidates import table_of

DIM = 12


def problem(*, signal: float, n_documents: int = 60, seed: int = 0) -> EmbeddedDataset:
    """Return two questions per document: its rotation scaled by `signal`, plus noise."""
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(np.random.default_rng(99).normal(size=(DIM, DIM)))[0]
    documents = rng.normal(size=(n_documents, DIM))
    rows = np.repeat(np.arange(n_documents), 2)
    questions = signal * documents[rows] @ mixing + rng.normal(size=(2 * n_documents, DIM))
    return EmbeddedDataset(
        questions.astype(np.float32),
        documents.astype(np.float32),
        tuple(np.array([row]) for row in rows),
    )


def fitted(guard: Guard, signal: float, *, seeds: int) -> list[TrainingResult]:
    trainer = AdapterTrainer(guard=guard, strengths=(1.0, 0.1), memories=(None,), n_folds=3)
    return [trainer.fit(problem(signal=signal, seed=seed)) for seed in range(seeds)]


def kept(results: list[TrainingResult]) -> int:
    return sum(result.chosen is not None for result in results)


@pytest.mark.slow
@pytest.mark.parametrize("guard", ["strict", "expected", "off"])
def test_a_clear_gain_passes_every_guard(guard: Guard) -> None:
    assert kept(fitted(guard, 2.0, seeds=3)) == 3


@pytest.mark.slow
def test_without_a_signal_the_strict_guard_keeps_the_base_and_off_does_where_nothing_gains() -> (
    None
):
    strict, expected, off = (fitted(guard, 0.0, seeds=6) for guard in get_args(Guard))
    assert kept(strict) <= 1
    assert kept(strict) <= kept(expected) < kept(off)
    for result in off:
        gains_anything = any(row.overall.mean > 0 for row in result.table)
        assert (result.chosen is not None) == gains_anything


def test_another_guard_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a guard of .*'strict'.*got lenient"):
        AdapterTrainer(guard="lenient")  # type: ignore[arg-type]


# What each guard requires, on tables with known gains

N = 100
SPREAD = np.random.default_rng(0).permutation(np.linspace(-1, 1, N))  # of mean 0


def groups_of(*, wording: Rows | None = None, answer: Rows | None = None) -> QuestionGroups:
    alone = np.arange(N)
    return QuestionGroups(
        wording=alone if wording is None else wording,
        answer=alone if answer is None else answer,
        linked=alone,
    )


def table(
    *, seen: float = 0.0, unseen: float = 0.0, noise: float = 0.1, control: float = 0.0
) -> OutOfFoldTable:
    """Return a table of one candidate with these mean gains in each view, and on controls."""
    own = np.stack([mean + noise * SPREAD for mean in (seen, unseen)])[None]
    made = table_of(own, {"seen": 0.5, "unseen": 0.5})
    made.gains[:, :, 1] = control
    return made


GUARDS: dict[str, tuple[OutOfFoldTable, set[Guard]]] = {
    "a sure gain": (table(seen=0.1, unseen=0.1), {"strict", "expected", "off"}),
    "a likely gain": (table(seen=0.007, unseen=0.007), {"expected", "off"}),
    "hardly a gain": (table(seen=0.002, unseen=0.002), {"off"}),
    "no gain": (table(seen=-0.002, unseen=-0.002), set()),
    "a sure loss in one view": (table(seen=0.3, unseen=-0.1), {"off"}),
    "as much on other answers": (table(seen=0.1, unseen=0.1, control=0.1), {"off"}),
    "more than on other answers": (
        table(seen=0.2, unseen=0.2, control=0.1),
        {"strict", "expected", "off"},
    ),
}


@pytest.mark.parametrize("guard", get_args(Guard))
@pytest.mark.parametrize(("gains", "guards"), GUARDS.values(), ids=GUARDS.keys())
def test_what_each_guard_requires(gains: OutOfFoldTable, guards: set[Guard], guard: Guard) -> None:
    selection = select_candidate(gains, groups_of(), guard=guard, seed=0)
    assert selection.is_kept == (guard in guards)
    assert (selection.chosen is not None) == selection.is_kept
    if selection.is_kept:
        assert selection.chosen == gains.rows[0]


def test_the_evidence_is_the_tested_gain_of_selection_by_view() -> None:
    """With a single candidate that is always chosen, everything is known from its own gains."""
    made = table(seen=0.3, unseen=0.2, noise=0.5, control=0.05)
    wording, answer = np.arange(N) // 2, np.arange(N) // 4
    groups = groups_of(wording=wording, answer=answer)
    evidence = select_candidate(made, groups, guard="strict", seed=3).evidence
    assert evidence is not None
    seen, unseen = made.gains[0, :, 0]
    assert evidence.gain.mean == pytest.approx(0.25)
    assert evidence.tested.mean == pytest.approx(0.20)
    assert evidence.by_view == {
        "seen": grouped_score(seen, wording),
        "unseen": grouped_score(unseen, answer),
    }
    error = two_way_error(seen / 2, unseen / 2, question_groups=wording, document_groups=answer)
    assert evidence.gain.high - evidence.gain.mean == pytest.approx(1.96 * error)
    assert evidence.gain.mean - evidence.gain.low == pytest.approx(1.96 * error)
    assert evidence.tested.error == pytest.approx(error)  # the control is the same everywhere
    held_out = {"seen": wording, "unseen": groups.linked}
    p_values = [
        selection_p_value(made, place, groups=unit, held_out=held_out[name], seed=3)
        for place, (name, unit) in enumerate({"seen": wording, "unseen": answer}.items())
    ]
    assert evidence.p_value == pytest.approx(combined_p_value(p_values, (0.5, 0.5)))


@pytest.mark.parametrize(("view", "unit"), [("seen", "wording"), ("unseen", "answer")])
def test_each_view_counts_questions_that_are_drawn_together_as_one(view: str, unit: str) -> None:
    together = np.repeat(np.arange(N // 5), 5)
    own = np.random.default_rng(1).normal(0.1, 0.4, size=N // 5)[together]
    made = table_of(own[None, None], {view: 1.0})
    other = "answer" if unit == "wording" else "wording"

    def evidence(**groups: Rows) -> Evidence:
        found = select_candidate(made, groups_of(**groups), guard="strict", seed=0).evidence
        assert found is not None
        return found

    alone, by_unit, by_other = (
        evidence(),
        evidence(**{unit: together}),
        evidence(**{other: together}),
    )
    assert by_unit.gain.mean == alone.gain.mean
    assert by_unit.p_value > 3 * alone.p_value
    assert by_unit.tested.error > 2 * alone.tested.error
    assert by_other.p_value == alone.p_value
    assert by_other.by_view == alone.by_view


def test_the_gain_of_the_best_of_many_is_not_the_one_it_was_chosen_by() -> None:
    own = np.random.default_rng(0).normal(0, 0.3, size=(60, 2, N))
    made = table_of(own, {"seen": 0.5, "unseen": 0.5})
    selection = select_candidate(made, groups_of(), guard="strict", seed=0)
    assert selection.best is not None
    assert selection.evidence is not None
    assert selection.n_candidates == 60
    assert selection.best.overall.mean > 2 * selection.best.overall.error
    assert selection.evidence.gain.mean < selection.best.overall.mean / 2
    assert not selection.is_kept


def test_nothing_held_out_keeps_the_base_under_every_guard() -> None:
    for guard in get_args(Guard):
        selection = select_candidate(None, groups_of(), guard=guard, seed=0)
        assert (selection.chosen, selection.evidence, selection.n_candidates) == (None, None, 0)


def chained(n: int = 80) -> EmbeddedDataset:
    """Return a problem in which each question has two answers, and neighbours share one."""
    made = problem(signal=2.0, n_documents=n)
    rows = tuple(np.array([row, (row + 1) % n]) for row in range(n))
    return EmbeddedDataset(made.queries[: 2 * n : 2], made.documents, rows)


def test_questions_that_shared_answers_link_to_one_group_can_still_show_a_gain() -> None:
    dataset = chained()
    assert len(np.unique(dataset.document_groups)) == 1
    result = AdapterTrainer(strengths=(0.3, 0.03), whitenings=(0.0,)).fit(dataset)
    assert result.decision == "adapter"
    assert result.expected_gain is not None
    assert result.expected_gain.low > 0.05
