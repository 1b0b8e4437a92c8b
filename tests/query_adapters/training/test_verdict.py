"""Tests of the verdict: one block of text for each outcome, and the fields behind it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.pairwise import MetricComparison
from query_adapters.training import AdapterTrainer, Verdict
from query_adapters.training.adapter_verdict import VerdictContext
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore
from query_adapters.training.decision import (
    Evidence,
    QuestionGroups,
    Selection,
    select_candidate,
)
from query_adapters.training.verdict import Reference, missing_questions, signed
from query_adapters.typing import Guard
from tests.query_adapters.training.test_trainer import ndcg, planted, shuffled

GAIN = Interval(mean=0.04, low=0.01, high=0.07)
KINDS = (
    "By kind of question: +0.050 for documents that have training questions, +0.030 for documents "
    "that have none; half of future questions are expected of each kind."
)


def selection(
    p_value: float,
    *,
    is_kept: bool,
    mean: float = 0.04,
    tested: float | None = None,
    seen: float = 0.05,
    unseen: float = 0.03,
) -> Selection:
    """Return the selection of a candidate whose tested gain has a standard error of 0.02."""
    by_view = {
        "seen": ViewScore(mean=seen, error=0.01),
        "unseen": ViewScore(mean=unseen, error=0.01),
    }
    return Selection(
        best=CandidateScore(
            candidate=Candidate(0.15, 1.0), overall=ViewScore(mean=0.9, error=0.01), **by_view
        ),
        evidence=Evidence(
            gain=GAIN if mean == GAIN.mean else Interval(mean=mean, low=-0.01, high=0.05),
            by_view=by_view,
            tested=ViewScore(mean=mean if tested is None else tested, error=0.02),
            p_value=p_value,
        ),
        is_kept=is_kept,
        n_candidates=9,
    )


def verdict(
    chosen: Selection,
    *,
    guard: Guard = "strict",
    reference: Reference = "base",
    n_queries: int = 100,
    seen_share: float = 0.5,
) -> Verdict:
    context = VerdictContext(
        metric="ndcg@10",
        reference=reference,
        guard=guard,
        seen_share=seen_share,
        n_compared=100,
        n_queries=n_queries,
    )
    return context.verdict(chosen)


def test_a_kept_adapter_is_a_block_of_five_lines() -> None:
    block = verdict(selection(0.0004, is_kept=True), n_queries=2_345)
    assert str(block).splitlines() == [
        "Use the adapter.",
        "Expected gain: +0.040 ndcg@10, 95 % interval [+0.010, +0.070] (out-of-fold, 100 of 2,345 "
        "training questions).",
        "Confidence: p = 0.0004, selection among 9 candidates included.",
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
        "Confidence: p = 0.23, selection among 9 candidates included; this gain is not "
        "distinguishable from chance with 100 questions.",
        KINDS,
        "Next step: add about 520 labelled questions, then train again (if the gain is real, that "
        "shows it 4 times out of 5).",
    ]
    assert block.decision == "base"


def test_a_gain_above_0_that_is_not_significant_is_explained() -> None:
    assert str(verdict(selection(0.08, is_kept=False))).splitlines()[2].endswith("100 questions.")
    unspecific = selection(0.61, is_kept=False, tested=0.01)
    assert "(answers to other questions gain +0.030 as well).\n" in str(verdict(unspecific))
    significant = verdict(selection(0.01, is_kept=True, tested=0.01))
    assert "answers to other questions" not in str(significant)


@pytest.mark.parametrize("guard", ["expected", "off"])
def test_an_adapter_that_only_a_weaker_guard_keeps_says_so(guard: Guard) -> None:
    block = verdict(selection(0.2, is_kept=True), guard=guard)
    assert block.headline == f'Adapter kept without proof of a gain (guard="{guard}")'
    assert str(block).splitlines()[3].startswith(f'Guard: "{guard}", ')
    assert block.advice == "compare it with the base on held-out questions before you deploy it"
    assert block.decision == "adapter"


def test_a_significant_gain_that_harms_one_kind_of_question_says_so() -> None:
    block = verdict(selection(0.001, is_kept=True, unseen=-0.05), guard="off")
    assert block.headline == 'Adapter kept although it ranks some questions worse (guard="off")'
    assert block.advice.startswith("compare it with the base")


@pytest.mark.parametrize("p_value", [0.001, 0.3])
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_guard_other_than_strict_is_stated_whatever_the_outcome(
    p_value: float, is_kept: bool
) -> None:
    lines: dict[Guard, str] = {
        "expected": 'Guard: "expected", a gain that is likely is enough.',
        "off": 'Guard: "off", no test has to be passed.',
    }
    for guard, text in lines.items():
        assert text in str(verdict(selection(p_value, is_kept=is_kept), guard=guard)).splitlines()
    assert "Guard" not in str(verdict(selection(p_value, is_kept=is_kept)))


def test_where_no_candidate_is_left_none_is_said_to_be_tested() -> None:
    nobody = replace(selection(0.9, is_kept=False, mean=-0.002), best=None)
    block = verdict(nobody)
    nobody_gains = "Confidence: none of 9 candidates gains anything"
    without_loss = f"{nobody_gains} without a loss for one kind of question."
    assert without_loss in str(block).splitlines()
    assert "p = " not in str(block)
    assert f"{nobody_gains}." in str(verdict(nobody, guard="off")).splitlines()
    assert block.advice == "none; there is nothing to gain on these questions"


def test_where_nothing_is_gained_no_questions_are_asked_for() -> None:
    block = verdict(selection(0.7, is_kept=False, mean=-0.001))
    assert block.advice == "none; there is nothing to gain on these questions"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0404, "+0.040"),
        (-0.0404, "-0.040"),
        (0.0004, "+0.000"),
        (-0.0004, "-0.000"),
        (-1e-9, "-0.000"),
        (0.0, "+0.000"),
        (-0.0, "+0.000"),
        (1.0, "+1.000"),
    ],
)
def test_a_loss_keeps_its_sign_even_if_it_rounds_to_0(value: float, text: str) -> None:
    assert signed(value) == signed(np.float64(value)) == text


def test_an_interval_that_reaches_below_0_does_not_look_as_if_it_did_not() -> None:
    touching = selection(0.06, is_kept=False)
    assert touching.evidence is not None
    gain = Interval(mean=0.04, low=-0.0003, high=0.08)
    block = verdict(replace(touching, evidence=replace(touching.evidence, gain=gain)))
    assert "95 % interval [-0.000, +0.080]" in str(block)
    assert "[-0.000, +0.080]" in block.one_line


def test_the_shares_of_questions_expected_are_stated() -> None:
    block = verdict(selection(0.001, is_kept=True), seen_share=0.25)
    shares = "that have none; expected shares of future questions: 25 % and 75 %."
    assert str(block).splitlines()[3].endswith(shares)


def test_a_kind_of_question_that_was_not_measured_is_named() -> None:
    measured = selection(0.001, is_kept=True)
    assert measured.evidence is not None
    only_seen = {"seen": measured.evidence.by_view["seen"]}
    block = verdict(replace(measured, evidence=replace(measured.evidence, by_view=only_seen)))
    assert str(block).splitlines()[3] == (
        "By kind of question: +0.050 for documents that have training questions; the other kind "
        "was not measured."
    )


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
    nobody = np.empty(0, np.int64)
    groups = QuestionGroups(wording=nobody, answer=nobody, linked=nobody)
    nothing = select_candidate(None, groups, guard="strict", seed=0)
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


# What training promises


@pytest.mark.slow
def test_what_is_promised_is_gained_on_other_questions() -> None:
    """The mean of the promise over many problems is that of what is gained on fresh questions."""
    promised, gained = [], []
    for seed in range(5):
        result = AdapterTrainer(strengths=(0.3, 0.03), guard="off").fit(planted(seed, noise=1.5))
        assert result.expected_gain is not None
        fresh = planted(100 + seed, noise=1.5)
        promised.append(result.expected_gain.mean)
        gained.append(ndcg(fresh, result.adapter) - ndcg(fresh))
    error = np.std(np.subtract(promised, gained), ddof=1) / np.sqrt(5)
    assert np.mean(gained) > 0.1
    assert np.mean(promised) == pytest.approx(np.mean(gained), abs=2 * error + 0.03)


def test_of_labels_at_random_no_gain_is_promised() -> None:
    trainer = AdapterTrainer(strengths=(0.3, 0.03), memories=(None,), whitenings=(0.0,))
    results = [trainer.fit(shuffled(seed)) for seed in range(6)]
    promised = [result.expected_gain.mean for result in results if result.expected_gain]
    assert len(promised) == 6
    assert np.mean(promised) < 0.01
