"""The outcome of an upgrade: candidates side by side, a decision, and what to do next."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from query_adapters.adapters.storage import SavedAdapter
from query_adapters.embedders.two_models import Served
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.training import TrainingResult
from query_adapters.training.verdict import counted, signed
from query_adapters.upgrade.asking import QuestionCost
from query_adapters.upgrade.bridge import Bridge
from query_adapters.upgrade.decision import Choice, Decision
from query_adapters.upgrade.plan import UpgradePlan

UNCHECKED = (
    "serve the new model through the saved bridge only if the old one is switched off, and label "
    "about 50 questions to compare them"
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UpgradeResult:
    """A saved bridge, and what speaks for it; `str()` gives it as a short block of text.

    Attributes:
        choice: What to do by the scores.
        metric: Metric of the scores.
        means: Mean score of each candidate with its 95 % interval; empty without labels.
        differences: Difference of each candidate from the first one, with its 95 % interval.
        n_questions: Labelled questions.
        bridge: The bridge.
        trainings: What was learned on the labels, by the models that embed questions: "old",
            "new" and "both"; empty without labels.
        costs: What a question costs by the new and the old model; empty without labels or without
            the old model.
        plan: What was embedded, and the cost of embedding the whole index again.
        note: What to check about the new model; None if nothing.
        adapters: The saved adapters with their records, by the models that embed questions.
    """

    choice: Choice
    metric: str
    means: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    n_questions: int
    bridge: Bridge
    trainings: Mapping[Served, TrainingResult]
    costs: tuple[QuestionCost, ...]
    plan: UpgradePlan
    note: str | None
    adapters: Mapping[Served, SavedAdapter]

    @property
    def decision(self) -> Decision:
        """What to do.

        "stay" with the old model as it is, "adapt" it by its adapter, "bridge" to serve the new
        model, "both" to ask both models, or "re-embed" the index. Without labelled questions always
        "bridge".
        """
        return self.choice.decision

    @property
    def p_value(self) -> float | None:
        """Probability of the best candidate's gain over the old model by chance.

        None without labels or without the old model.
        """
        return self.choice.p_value

    @property
    def training(self) -> TrainingResult | None:
        """What was learned on top of the bridge; None without labels."""
        return self.trainings.get("new")

    @property
    def saved(self) -> SavedAdapter:
        """The new model's adapter with its record."""
        return self.adapters["new"]

    @property
    def advice(self) -> str:
        """What to do next, in one sentence."""
        return self.choice.advice if self.means else UNCHECKED

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
            "trainings": {models: one.to_record() for models, one in self.trainings.items()},
            "costs": [asdict(cost) for cost in self.costs],
        }


def upgrade_text(result: UpgradeResult) -> str:
    """Return the result as a block of text."""
    bridge = result.bridge
    lines = [
        f"Bridge: {bridge.kind} on {bridge.n_texts:,} texts; finds held-out texts with nDCG@10 "
        f"{bridge.found[bridge.kind]:.3f}, keeps {100 * bridge.neighbours:.0f} % of their ten "
        "nearest neighbours.",
        *(_candidate(result, name) for name in result.means),
        *([f"Confidence: p = {result.p_value:.2g}."] if result.p_value is not None else []),
        *([f"A question: {', '.join(map(str, result.costs))}."] if result.costs else []),
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
        "adapt": "Keep the old model, with an adapter",
        "both": "Ask both models",
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
