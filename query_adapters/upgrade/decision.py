"""Decide between the candidates: stay, adapt the old model, bridge, ask both, or embed again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from query_adapters.embedders.two_models import Served
from query_adapters.typing import Guard
from query_adapters.upgrade.candidates import AGAIN, OLD, Scores

Decision = Literal["stay", "adapt", "bridge", "both", "re-embed"]
DECISIONS: Mapping[Served, Decision] = {"old": "adapt", "new": "bridge", "both": "both"}
BRIDGE_LATER = "if the old model is switched off, serve the saved bridge"
ADVICE: Mapping[Decision, str] = {
    "stay": f"stay with the old model; {BRIDGE_LATER}",
    "adapt": f'keep the old model, with the adapter in the folder "old"; {BRIDGE_LATER}',
    "bridge": "serve the new model through the saved bridge; the index stays as it is",
    "both": f'ask both models, with the adapter in the folder "both"; {BRIDGE_LATER}',
}
RE_EMBED = "embed the index again with the new model; until then, "


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to do.

    Attributes:
        decision: "stay", "adapt", "bridge", "both" or "re-embed".
        until_then: What to do until the index is embedded again; the decision itself otherwise.
        p_value: Probability of the best candidate's gain over the old model by chance, adjusted
            for the choice among the candidates; None without the old model.
    """

    decision: Decision
    until_then: Decision
    p_value: float | None

    @property
    def advice(self) -> str:
        """What to do next, in one sentence."""
        advice = ADVICE[self.until_then]
        return advice if self.decision == self.until_then else f"{RE_EMBED}{advice}"


def decide(
    scores: Scores, served: Mapping[Served, str], guard: Guard, *, max_loss: float = 0.0
) -> Choice:
    """Return what to do by the scores.

    The best candidate replaces the old model where the guard lets it, and the new model always
    where there is no old one. Both models are asked, which costs two calls, only where that beats
    the better of the two by more than its 95 % interval. Embedding again is advised where the
    estimate is above what is served by more than its 95 % interval.

    Args:
        scores: Scores of the candidates.
        served: The candidate that would be served, by the models that embed questions.
        guard: How sure a gain over the old model must be.
        max_loss: Loss of the metric that is accepted to replace the old model by the new one.
    """
    if OLD not in scores.per_question:
        return _or_again(scores, "bridge", served["new"], None)
    rivals = {models: name for models, name in served.items() if name != OLD}
    best = _best(scores, rivals)
    among = tuple(rivals.values())
    p_value = scores.p_value(rivals[best], OLD, among=among)
    if scores.is_better(rivals[best], OLD, guard, among=among):
        return _or_again(scores, DECISIONS[best], rivals[best], p_value)
    if max_loss and scores.is_better(rivals["new"], OLD, guard, loss=max_loss):
        return _or_again(scores, "bridge", rivals["new"], p_value)
    return _or_again(scores, "stay", OLD, p_value)


def _best(scores: Scores, rivals: Mapping[Served, str]) -> Served:
    means = {models: float(scores.per_question[name].mean()) for models, name in rivals.items()}
    alone = max((models for models in rivals if models != "both"), key=means.__getitem__)
    if "both" in rivals and scores.difference(rivals["both"], rivals[alone]).low > 0:
        return "both"
    return alone


def _or_again(scores: Scores, decision: Decision, kept: str, p_value: float | None) -> Choice:
    is_worth_it = AGAIN in scores.per_question and scores.difference(AGAIN, kept).low > 0
    return Choice(
        decision="re-embed" if is_worth_it else decision, until_then=decision, p_value=p_value
    )
