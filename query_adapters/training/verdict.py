"""The verdict: what was decided, the expected gain, how sure that is, and what to do next."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.html_report.verdict import verdict_html
from query_adapters.evaluation.pairwise import MetricComparison
from query_adapters.text.shown import visible
from query_adapters.training.guard import ALPHA
from query_adapters.typing import Guard

Decision = Literal["adapter", "base", "start", "model", "retriever"]
Reference = Literal["base", "start"]
POWER = 2.49  # standard errors of a gain that a test finds 4 times out of 5
DEPLOY = "deploy it, and measure it once on held-out questions"
DEPLOY_UNCONFIRMED = (
    "deploy it, and measure it on more held-out questions; these are too few to confirm the gain"
)
COMPARE = "compare it with the base on held-out questions before you deploy it"
ENOUGH = 50  # questions from which on training, or a check, is worth a try
LABEL_MORE = f"label more questions, at least about {ENOUGH}, then train again"
MAX_GROWTH = 10  # times as many questions; a gain that needs more is as good as none


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of training; `str()` gives it as a short block of text.

    Attributes:
        decision: What was saved: the "adapter", the "base" model as it is, the adapter to refine
            ("start"), a tuned "model", or a learned "retriever".
        headline: The decision in one sentence.
        metric: The metric that the gain is measured in, such as "ndcg@10".
        expected_gain: Mean gain of the best candidate with its 95 % interval, also if it was not
            kept; None if nothing was measured. For an adapter it is measured on questions that
            did not choose the candidate.
        p_value: Probability of so large a gain by chance; None if nothing was measured.
        details: Label and text of each further line of the block.
        advice: What to do next.
    """

    decision: Decision
    headline: str
    metric: str
    expected_gain: Interval | None
    p_value: float | None
    details: tuple[tuple[str, str], ...]
    advice: str

    def __str__(self) -> str:
        rows = (*self.details, ("Next step", self.advice))
        lines = [f"{self.headline}.", *(f"{label}: {text}." for label, text in rows)]
        return visible("\n".join(lines))

    def _repr_html_(self) -> str:
        return verdict_html(str(self))

    @property
    def one_line(self) -> str:
        """Decision, gain and p value in one line, for logs."""
        if self.expected_gain is None:
            return f"{self.headline} (gain not measured)"
        gain = self.expected_gain
        measured = f"{signed(gain.mean)} {self.metric} [{signed(gain.low)}, {signed(gain.high)}]"
        return f"{self.headline}: {measured}, p = {self.p_value:.2g}"

    def after_validation(self, comparison: MetricComparison) -> "Verdict":
        """Return the verdict with the result on validation questions, and advice that fits it.

        Args:
            comparison: Base against what was saved, on the verdict's metric.
        """
        if self.decision == "base":
            return self  # the base was compared with itself
        gain = comparison.difference
        n_queries = comparison.wins + comparison.ties + comparison.losses
        text = gain_text(gain, self.metric, counted(n_queries, "validation question"))
        details = (*self.details, ("Validation", f"{text}, over the base model"))
        return replace(self, details=details, advice=_validated_advice(self.advice, gain))

    def to_record(self) -> dict[str, Any]:
        """Return the text block ("verdict") and the fields behind it, as JSON can hold them."""
        return {
            "verdict": str(self),
            "decision": self.decision,
            "metric": self.metric,
            "expected_gain": None if self.expected_gain is None else asdict(self.expected_gain),
            "p_value": self.p_value,
            "advice": self.advice,
        }


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ResultWithVerdict:
    """A result that prints as its verdict and offers the verdict's fields as its own.

    Attributes:
        verdict: The outcome.
    """

    verdict: Verdict

    @property
    def decision(self) -> Decision:
        """What was saved, as in `Verdict`."""
        return self.verdict.decision

    @property
    def metric(self) -> str:
        """Metric that the gain is measured in."""
        return self.verdict.metric

    @property
    def expected_gain(self) -> Interval | None:
        """Gain of the best candidate with its 95 % interval; None if nothing was measured."""
        return self.verdict.expected_gain

    @property
    def p_value(self) -> float | None:
        """Probability of so large a gain by chance, as in `Verdict`."""
        return self.verdict.p_value

    @property
    def advice(self) -> str:
        """What to do next."""
        return self.verdict.advice

    def __str__(self) -> str:
        return str(self.verdict)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.verdict.one_line}>"

    def _repr_html_(self) -> str:
        return verdict_html(str(self))


def _validated_advice(advice: str, gain: Interval) -> str:
    if gain.high < 0:
        return (
            "do not deploy it: the validation questions are ranked worse; check that they and the "
            "training questions come from the same source"
        )
    if advice == DEPLOY:
        return "deploy it" if gain.low > 0 else DEPLOY_UNCONFIRMED
    return advice


def unproven_headline(guard: Guard) -> str:
    """Return the headline of an adapter that the guard keeps without a significant gain."""
    return f'Adapter kept without proof of a gain (guard="{guard}")'


def guard_lines(guard: Guard) -> tuple[tuple[str, str], ...]:
    """Return the line of the block that states a guard other than "strict"."""
    required = {"expected": "a gain that is likely is enough", "off": "no test has to be passed"}
    return (("Guard", f'"{guard}", {required[guard]}'),) if guard in required else ()


def signed(value: float) -> str:
    """Return the value with its sign and three decimals; a loss that rounds to 0 is -0.000."""
    return f"{value + 0.0:+.3f}"  # + 0.0 takes the sign of -0.0


def gain_text(gain: Interval, metric: str, basis: str) -> str:
    """Return a gain with its interval and what it was measured on."""
    low, high = signed(gain.low), signed(gain.high)
    return f"{signed(gain.mean)} {metric}, 95 % interval [{low}, {high}] ({basis})"


def confidence_text(p_value: float, adjusted: str, n_queries: int, *, alpha: float = ALPHA) -> str:
    """Return the p value in words.

    Args:
        p_value: Of the gain.
        adjusted: What it is adjusted for, such as "adjusted for 9 candidates".
        n_queries: Questions that were compared.
        alpha: The highest p value that counts as a gain.
    """
    text = f"p = {p_value:.2g}, {adjusted}"
    if p_value <= alpha:
        return text
    return f"{text}; this gain is not distinguishable from chance with {counted(n_queries)}"


def counted(number: int, noun: str = "question") -> str:
    """Return the number with its noun, in the plural unless it is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def missing_questions(gain: float, error: float, n_queries: int) -> int | None:
    """Return how many more questions would show such a gain 4 times out of 5.

    Args:
        gain: Mean gain.
        error: Its standard error.
        n_queries: Questions that it was measured on.

    Returns:
        The number, rounded; 0 if there are enough, None if the gain is not above 0 or needs more
        than 10 times as many questions.

    Source: Cohen, Statistical Power Analysis (1988), 2.4, for a one-sided test at 5 % and a power
        of 80 %.
    """
    growth = (POWER * error / gain) ** 2 if gain > 0 else MAX_GROWTH + 1
    if growth > MAX_GROWTH:
        return None
    missing = max(0.0, n_queries * (growth - 1))
    return int(float(f"{missing:.{1 if missing < 100 else 2}g}"))


def advice_without_gain(
    gain: float, error: float, n_queries: int, *, kind: str = "labelled"
) -> str:
    """Return what to do if no gain could be shown.

    Args:
        gain: As in `missing_questions`, like the next two.
        error: Its standard error.
        n_queries: Questions that it was measured on.
        kind: Kind of the questions to add.
    """
    missing = missing_questions(gain, error, n_queries)
    if missing is None:
        return "none; there is nothing to gain on these questions"
    if missing == 0:
        return f"add {kind} questions about other documents, then train again"
    return (
        f"add about {missing:,} {kind} questions, then train again (if the gain is real, that "
        "shows it 4 times out of 5)"
    )
