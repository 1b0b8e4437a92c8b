"""Tests of the verdict: one block of text for each outcome, and the fields behind it."""

import json

import numpy as np
import pytest

from query_adapters.evaluation.bootstrap import Interval, bootstrap_interval
from query_adapters.evaluation.pairwise import MetricComparison
from query_adapters.training import AdapterTrainer, Verdict
from query_adapters.training.adapter_verdict import VerdictContext
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore
from query_adapters.training.decision import Selection, select_candidate
from query_adapters.training.guard import Guard, answer_groups
from query_adapters.training.verdict import Reference, missing_questions
from query_adapters.typing import Values
from tests.query_adapters.training.test_guard_modes import problem
from tests.query_adapters.training.test_trainer import planted, shuffled

GAIN = Interval(mean=0.04, low=0.01, high=0.07)
KINDS = (
    "By kind of question: +0.050 for documents that have training questions, +0.030 for documents "
    "that have none; half of future questions are expected of each kind."
)


def candidate(
    differences: Values, *, seen: float = 0.05, unseen: float = 0.03, controls: float = 0.0
) -> CandidateScore:
    return CandidateScore(
        candidate=Candidate(0.15, 1.0),
        seen=ViewScore(mean=seen, error=0.01),
        unseen=ViewScore(mean=unseen, error=0.01),
        overall=ViewScore.of(differences),
        differences=differences,
        controls=np.full(len(differences), controls),
    )


def selection(
    p_value: float,
    *,
    is_kept: bool,
    is_tested: bool = True,
    mean: float = 0.04,
    unseen: float = 0.03,
) -> Selection:
    """Return the selection of a candidate on 100 questions, with a standard error of 0.02."""
    differences = mean + 0.2 * np.tile([-1.0, 1.0], 50)
    return Selection(
        best=candidate(differences, unseen=unseen),
        is_tested=is_tested,
        is_kept=is_kept,
        gain=GAIN if mean == GAIN.mean else Interval(mean=mean, low=-0.01, high=0.05),
        tested_gain=ViewScore(mean=mean, error=0.02),
        p_value=p_value,
    )


def verdict(
    chosen: Selection,
    *,
    guard: Guard = "strict",
    reference: Reference = "base",
    n_queries: int = 100,
) -> Verdict:
    context = VerdictContext(
        metric="ndcg@10",
        reference=reference,
        guard=guard,
        seen_share=0.5,
        n_candidates=9,
        n_queries=n_queries,
    )
    return context.verdict(chosen)


def test_a_kept_adapter_is_a_block_of_five_lines() -> None:
    block = verdict(selection(0.0004, is_kept=True), n_queries=2_345)
    assert str(block).splitlines() == [
        "Use the adapter.",
        "Expected gain: +0.040 ndcg@10, 95 % interval [+0.010, +0.070] (out-of-fold, 100 of 2,345 "
        "training questions).",
        "Confidence: p = 0.0004, adjusted for 9 candidates.",
        KINDS,
        "Next step: deploy it, and measure it once on held-out questions.",
    ]
    assert (block.decision, block.expected_gain, block.p_value) == ("adapter", GAIN, 0.0004)
    assert block.one_line == "Use the adapter: +0.040 ndcg@10 [+0.010, +0.070], p = 0.0004"


def test_a_refused_adapter_names_the_questions_that_are_missing() -> None:
    block = verdict(selection(0.23, is_kept=False, mean=0.02))
    assert str(block).splitlines() == [
        "Keep the base model.",
        "Expected gain of the best candidate: +0.020 ndcg@10, 95 % interval [-0.010, +0.050] "
        "(out-of-fold, 100 training questions).",
        "Confidence: p = 0.23, adjusted for 9 candidates; this gain is not distinguishable from "
        "chance with 100 questions.",
        KINDS,
        "Next step: add about 520 labelled questions, then train again (if the gain is real, that "
        "shows it 4 times out of 5).",
    ]
    assert block.decision == "base"


def test_a_gain_above_0_that_is_not_significant_is_explained() -> None:
    assert (
        "; this gain is not distinguishable from chance with 100 questions (the interval does not "
        "allow for the choice among candidates, p does).\n"
    ) in str(verdict(selection(0.08, is_kept=False)))
    unspecific = selection(0.61, is_kept=False)
    unspecific = Selection(**vars(unspecific) | {"tested_gain": ViewScore(mean=0.01, error=0.02)})
    assert "(answers to other questions gain +0.030 as well).\n" in str(verdict(unspecific))


@pytest.mark.parametrize("guard", ["expected", "off"])
def test_an_adapter_that_only_a_weaker_guard_keeps_says_so(guard: Guard) -> None:
    block = verdict(selection(0.2, is_kept=True), guard=guard)
    assert block.headline == f'Adapter kept without proof of a gain (guard="{guard}")'
    assert block.advice == "compare it with the base on held-out questions before you deploy it"
    assert block.decision == "adapter"


def test_a_significant_gain_that_harms_one_kind_of_question_says_so() -> None:
    block = verdict(selection(0.001, is_kept=True, unseen=-0.05), guard="off")
    assert block.headline == 'Adapter kept although it ranks some questions worse (guard="off")'
    assert block.advice.startswith("compare it with the base")


def test_a_candidate_that_did_not_qualify_is_not_given_a_p_value_in_words() -> None:
    block = verdict(selection(1.0, is_kept=False, is_tested=False, unseen=-0.05))
    assert "Confidence: not tested; of 9 candidates none is better by more than a st" in str(block)
    assert "p = " not in str(block)
    assert block.advice == (
        "add labelled questions about documents that have no training questions yet, then train "
        "again"
    )


def test_where_nothing_is_gained_no_questions_are_asked_for() -> None:
    block = verdict(selection(1.0, is_kept=False, is_tested=False, mean=-0.001))
    assert block.advice == "none; there is nothing to gain on these questions"


def test_an_adapter_to_refine_is_what_gains_are_over() -> None:
    kept = verdict(selection(0.001, is_kept=True), reference="start")
    refused = verdict(selection(0.3, is_kept=False), reference="start")
    assert (kept.decision, refused.decision) == ("adapter", "start")
    assert (kept.headline, refused.headline) == (
        "Use the refined adapter",
        "Keep the original adapter",
    )
    assert "Expected gain of the best candidate over the original adapter: " in str(refused)
    assert refused.advice.startswith("add labelled questions that the adapter was not trained on")


def test_too_few_questions_to_hold_any_out() -> None:
    nothing = select_candidate((), [], guard="strict", seed=0)
    assert str(verdict(nothing, n_queries=1)).splitlines() == [
        "Keep the base model.",
        "Expected gain: not measured; there are too few questions to hold any out.",
        "Next step: label more questions, at least about 50, then train again.",
    ]
    assert verdict(nothing).one_line == "Keep the base model (gain not measured)"


@pytest.mark.parametrize(
    ("difference", "advice"),
    [
        (Interval(mean=0.03, low=0.01, high=0.05), "deploy it"),
        (Interval(mean=0.03, low=-0.01, high=0.07), "deploy it, and measure it on more held-out"),
        (Interval(mean=-0.03, low=-0.05, high=-0.01), "do not deploy it: the validation questions"),
    ],
)
def test_validation_adds_a_line_and_changes_the_next_step(
    difference: Interval, advice: str
) -> None:
    level = Interval(mean=0.5, low=0.4, high=0.6)
    measured = MetricComparison(
        base=level, adapted=level, difference=difference, wins=10, ties=3, losses=7
    )
    block = verdict(selection(0.001, is_kept=True)).after_validation(measured)
    line = next(line for line in str(block).splitlines() if line.startswith("Validation: "))
    assert line.startswith(f"Validation: {difference.mean:+.3f} ndcg@10, 95 % interval [")
    assert line.endswith("(20 validation questions), over the base model.")
    assert block.advice.startswith(advice)
    base = verdict(selection(0.3, is_kept=False))
    assert base.after_validation(measured) == base


def test_the_record_is_json_with_the_fields_and_the_text() -> None:
    block = verdict(selection(0.001, is_kept=True))
    record = json.loads(json.dumps(block.to_record(), allow_nan=False))
    assert record == {
        "verdict": str(block),
        "decision": "adapter",
        "metric": "ndcg@10",
        "expected_gain": {"mean": 0.04, "low": 0.01, "high": 0.07},
        "p_value": 0.001,
        "advice": block.advice,
    }


def test_a_notebook_shows_the_same_lines_escaped() -> None:
    block = verdict(selection(0.2, is_kept=True), guard="off")
    html = block._repr_html_()
    assert "<strong>Adapter kept without proof of a gain (guard=&quot;off&quot;).</strong>" in html
    assert html.count("<br>") == len(str(block).splitlines()) - 1


def test_the_missing_questions_are_those_that_give_the_test_its_power() -> None:
    """With this number of questions, a one-sided test at 5 % has a power of 80 %."""
    gain, spread, n_queries = 0.02, 0.2, 100
    missing = missing_questions(gain, spread / n_queries**0.5, n_queries)
    assert missing is not None
    n = n_queries + missing
    means = np.random.default_rng(0).normal(gain, spread, size=(4_000, n)).mean(axis=1)
    assert (means > 1.645 * spread / n**0.5).mean() == pytest.approx(0.8, abs=0.02)
    assert missing_questions(gain, 0.001, n_queries) == 0
    assert missing_questions(gain, 1.0, n_queries) is None
    assert missing_questions(0.0, 0.01, n_queries) is None


# The selection behind the verdict


@pytest.mark.slow
def test_selection_is_as_it_was_before_there_was_a_structured_verdict() -> None:
    """The expected values are those of the trainer before the structured verdict."""
    found = AdapterTrainer().fit(planted(0)), AdapterTrainer().fit(problem(signal=0.3, seed=1))
    refused = AdapterTrainer().fit(shuffled(0))
    assert [result.chosen and result.chosen.candidate for result in found] == [
        Candidate(0.15, 0.03),
        Candidate(0.15, 0.1),
    ]
    assert [result.p_value for result in (*found, refused)] == [0.0001, 0.0022, 0.6122]
    assert refused.chosen is None
    assert AdapterTrainer(guard="off").fit(shuffled(0)).p_value == 0.0956


def test_gain_interval_and_p_value_are_those_of_one_candidate() -> None:
    """In this table the tested candidate is not the one with the best mean."""
    result = AdapterTrainer().fit(shuffled(0))
    highest = max(result.table, key=lambda row: row.overall.mean)
    assert result.expected_gain is not None
    assert result.expected_gain.mean < highest.overall.mean
    (tested,) = (row for row in result.table if row.overall.mean == result.expected_gain.mean)
    groups = answer_groups(shuffled(0).relevant)
    assert result.expected_gain == bootstrap_interval(tested.differences, groups=groups)


def test_the_interval_counts_questions_of_one_document_as_one() -> None:
    rng = np.random.default_rng(0)
    differences = np.repeat(rng.normal(0.1, 0.2, size=30), 5)
    relevant = [np.array([document]) for document in np.repeat(np.arange(30), 5)]
    by_document = select_candidate([candidate(differences)], relevant, guard="strict", seed=0)
    alone = select_candidate(
        [candidate(differences)], list(np.arange(150)[:, None]), guard="strict", seed=0
    )
    assert by_document.gain is not None
    assert alone.gain is not None
    assert by_document.gain.mean == alone.gain.mean
    assert by_document.gain.high - by_document.gain.low > 1.7 * (alone.gain.high - alone.gain.low)
    assert by_document.tested_gain is not None
    assert by_document.tested_gain.error > 1.7 * ViewScore.of(differences).error


def test_questions_about_a_single_document_are_resampled_one_by_one() -> None:
    differences = np.random.default_rng(0).normal(0.1, 0.2, size=40)
    relevant = [np.array([0])] * 40
    found = select_candidate([candidate(differences)], relevant, guard="off", seed=0)
    assert found.gain == bootstrap_interval(differences)
