"""What training found, in a form that a user reads in ten seconds and a file can hold."""

from dataclasses import asdict, dataclass
from math import isinf
from typing import Any, Literal

from query_adapters.adapters import QueryAdapter
from query_adapters.training.candidates import CandidateScore, best
from query_adapters.training.guard import ALPHA

Reference = Literal["base", "start"]
POWER = 2.49  # standard errors that a gain must have to be found 4 times of 5 at 5 %


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingResult:
    """A trained adapter and how it was chosen.

    Attributes:
        adapter: The map; the identity, or the adapter to refine, where no gain could be shown.
        chosen: Its row of the table; None for the identity.
        table: Every candidate's out-of-fold differences from the reference.
        served_whitening: Exponent at which a served index without labels was whitened; None
            where there was none.
        p_value: Probability of so large a gain if no candidate were better than the reference,
            adjusted for their number; at most 0.05 where an adapter is kept.
        verdict: The outcome in one sentence.
        metric: What the differences are of.
        reference: What they are from: the base, or the adapter to refine ("start").
        seen_share: Share of future questions that was expected to be about documents with
            training questions.
        n_queries: Training questions.
        n_compared: How many of them candidates were compared on.
        n_documents: Documents that training searched in.
        elapsed_seconds: Wall time of selection and fit.
    """

    adapter: QueryAdapter
    chosen: CandidateScore | None
    table: tuple[CandidateScore, ...]
    served_whitening: float | None = None
    p_value: float
    verdict: str
    metric: str
    reference: Reference = "base"
    seen_share: float
    n_queries: int
    n_compared: int
    n_documents: int
    elapsed_seconds: float

    def to_record(self) -> dict[str, Any]:
        """Return everything but the weights, as JSON can hold it."""
        return {
            "verdict": self.verdict,
            "p_value": self.p_value,
            "metric": self.metric,
            "reference": self.reference,
            "seen_share": self.seen_share,
            "chosen": None if self.chosen is None else _row_record(self.chosen),
            "table": [_row_record(row) for row in self.table],
            "served_whitening": self.served_whitening,
            "n_queries": self.n_queries,
            "n_compared": self.n_compared,
            "n_documents": self.n_documents,
            "elapsed_seconds": round(self.elapsed_seconds, 3),
        }


def verdict_on(
    chosen: CandidateScore | None,
    table: tuple[CandidateScore, ...],
    p_value: float,
    metric: str,
    *,
    reference: Reference = "base",
    seen_share: float,
) -> str:
    """Return the outcome in one sentence.

    Args:
        chosen: The row of the adapter that is kept; None where the reference is.
        table: Every candidate.
        p_value: Of the best candidate's gain.
        metric: What the gain is of.
        reference: What the gain is over.
        seen_share: Expected share of questions about documents with training questions.
    """
    if not table:
        return f"too few questions to hold any out: {reference} kept"
    if chosen is None:
        return (
            f"no reliable gain: {reference} kept "
            f"({_shortfall(best(table), len(table), p_value, metric, seen_share)})"
        )
    kept = "adapter kept" if p_value <= ALPHA else "adapter taken though no gain is shown"
    over = "" if reference == "base" else " over the start"
    return f"{kept}: {metric}{over} out of fold, {_views(chosen, seen_share)} (p = {p_value:.2g})"


def _views(row: CandidateScore, seen_share: float) -> str:
    views = {"seen": row.seen, "unseen": row.unseen}
    parts = [f"{name} documents {v.mean:+.4f} ± {v.error:.4f}" for name, v in views.items() if v]
    expected = f"; {seen_share:.0%} of questions expected about seen ones"
    return "; ".join(parts) + (expected if len(parts) == len(views) else "")


def _shortfall(
    row: CandidateScore, n_candidates: int, p_value: float, metric: str, seen_share: float
) -> str:
    """Return the best gain seen, and what it would take to tell such a gain from chance.

    Source: Cohen, Statistical Power Analysis (1988), 2.4, for one-sided 5 % and 80 % power.
    """
    gain, n_questions = row.overall, len(row.differences)
    told = (
        f"best candidate {gain.mean:+.4f} ± {gain.error:.4f} {metric} out of fold, p = "
        f"{p_value:.2g} among {n_candidates}: {_views(row, seen_share)}"
    )
    if gain.error == 0:
        return told
    told += f"; {n_questions} questions show a gain of {POWER * gain.error:.4f}"
    if gain.mean <= 0:
        return told
    needed = n_questions * (POWER * gain.error / gain.mean) ** 2
    return f"{told}, this one would take about {needed:.0f}" if needed > n_questions else told


def _row_record(row: CandidateScore) -> dict[str, Any]:
    record = asdict(row)
    del record["differences"], record["controls"]
    if isinf(row.candidate.strength):
        record["candidate"]["strength"] = None  # JSON has no infinity
    return record
