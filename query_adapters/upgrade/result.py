"""The outcome of an upgrade: candidates side by side, a decision, and what to do next."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from query_adapters.adapters.storage import SavedAdapter
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.training import TrainingResult
from query_adapters.training.guard import Guard
from query_adapters.training.verdict import counted, signed
from query_adapters.upgrade.bridge import Bridge
from query_adapters.upgrade.candidates import AGAIN, OLD, Scores
from query_adapters.upgrade.plan import UpgradePlan

Decision = Literal["stay", "bridge", "re-embed"]
ADVICE: Mapping[Decision, str] = {
    "stay": "stay with the old model; if it is switched off, serve the saved bridge",
    "bridge": "serve the new model through the saved bridge; the index stays as it is",
    "re-embed": "embed the index again with the new model; until then, serve the best candidate",
}
UNCHECKED = (
    "serve the new model through the saved bridge only if the old one is switched off, and label "
    "about 50 questions to compare them"
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UpgradeResult:
    """A saved bridge, and what speaks for it; `str()` gives it as a short block of text.

    Attributes:
        decision: "stay" with the old model, "bridge" to serve the new one through the saved
            adapter, or "re-embed" the index. Without labelled questions always "bridge".
        metric: Metric of the scores.
        means: Mean score of each candidate with its 95 % interval; empty without labels.
        differences: Difference of each candidate from the first one, with its 95 % interval.
        p_value: Probability of the served candidate's gain over the old model by chance; None
            without labels or without the old model.
        n_questions: Labelled questions.
        bridge: The bridge.
        training: What was learned on top of it; None without labels.
        plan: What was embedded, and the cost of embedding the whole index again.
        note: What to check about the new model; None if nothing.
        saved: The adapter with its record.
    """

    decision: Decision
    metric: str
    means: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    p_value: float | None
    n_questions: int
    bridge: Bridge
    training: TrainingResult | None
    plan: UpgradePlan
    note: str | None
    saved: SavedAdapter

    @property
    def advice(self) -> str:
        """What to do next, in one sentence."""
        return ADVICE[self.decision] if self.means else UNCHECKED

    def __str__(self) -> str:
        return upgrade_text(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.decision}>"

    def to_record(self) -> dict[str, Any]:
        """Return everything but the weights, as JSON can hold it."""
        return {
            "verdict": str(self),
            "decision": self.decision,
            "metric": self.metric,
            "means": {name: asdict(mean) for name, mean in self.means.items()},
            "differences": {name: asdict(mean) for name, mean in self.differences.items()},
            "p_value": self.p_value,
            "advice": self.advice,
            "n_questions": self.n_questions,
            "bridge": self.bridge.to_record(),
            "training": None if self.training is None else self.training.to_record(),
        }


def decide(scores: Scores, served: str, guard: Guard) -> Decision:
    """Return what to do by the scores.

    Embedding again is advised where the estimate is above the best of the others by more than its
    95 % interval. Otherwise the served candidate replaces the old model where the guard lets it,
    and without an old model always.

    Args:
        scores: Scores of the candidates.
        served: The candidate that is saved.
        guard: How sure its gain over the old model must be.
    """
    is_replaced = OLD not in scores.per_question or scores.is_better(served, OLD, guard)
    kept = served if is_replaced else OLD
    if AGAIN in scores.per_question and scores.difference(AGAIN, kept).low > 0:
        return "re-embed"
    return "bridge" if is_replaced else "stay"


def upgrade_text(result: UpgradeResult) -> str:
    """Return the result as a block of text."""
    bridge = result.bridge
    lines = [
        f"Bridge: {bridge.kind} on {bridge.n_texts:,} texts; finds held-out texts with nDCG@10 "
        f"{bridge.found[bridge.kind]:.3f}, keeps {100 * bridge.neighbours:.0f} % of their ten "
        "nearest neighbours.",
        *(_candidate(result, name) for name in result.means),
        *([f"Confidence: p = {result.p_value:.2g}."] if result.p_value is not None else []),
        f"Embedding again: {result.plan.index_text}.",
        *([f"Roles: {result.note}."] if result.note else []),
        f"Next step: {result.advice}.",
    ]
    return "\n".join([f"{_headline(result)}.", *lines])


def _headline(result: UpgradeResult) -> str:
    if not result.means:
        return "Bridge saved, not checked: no labelled questions"
    headlines = {
        "stay": "Stay with the old model",
        "bridge": "Serve the new model through the bridge",
        "re-embed": "Embed the index again",
    }
    asked = counted(result.n_questions, "labelled question")
    return f"{headlines[result.decision]} ({result.metric}, {asked})"


def _candidate(result: UpgradeResult, name: str) -> str:
    mean, difference = result.means[name], result.differences.get(name)
    label = name[0].upper() + name[1:]
    text = f"{label}: {mean.mean:.3f} [{mean.low:.3f}, {mean.high:.3f}]"
    if difference is None:
        return f"{text}."
    low, high = signed(difference.low), signed(difference.high)
    return f"{text}, {signed(difference.mean)} [{low}, {high}]."
