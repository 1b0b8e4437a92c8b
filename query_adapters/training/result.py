"""What training found, in a form that a user reads in ten seconds and a file can hold."""

from dataclasses import asdict, dataclass
from math import isinf
from typing import Any

from query_adapters.adapters import QueryAdapter
from query_adapters.training.candidates import CandidateScore, best

POWER = 2.49  # standard errors that a gain must have to be found 4 times of 5 at 5 %


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingResult:
    """A trained adapter and how it was chosen.

    Attributes:
        adapter: The map; the identity where no gain could be shown.
        chosen: Its row of the table; None for the identity.
        table: Every candidate's out-of-fold differences from the base.
        served_whitening: Exponent at which a served index without labels was whitened; None
            where there was none.
        p_value: Probability of so large a gain if no candidate were better than the base,
            adjusted for their number; at most 0.05 where an adapter is kept.
        verdict: The outcome in one sentence.
        metric: What the differences are of.
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
) -> str:
    """Return the outcome in one sentence.

    Args:
        chosen: The row of the adapter that is kept; None where the base is.
        table: Every candidate.
        p_value: Of the best candidate's gain.
        metric: What the gain is of.
    """
    if not table:
        return "too few questions to hold any out: base kept"
    if chosen is None:
        return (
            f"no reliable gain: base kept ({_shortfall(best(table), len(table), p_value, metric)})"
        )
    views = {"seen": chosen.seen, "unseen": chosen.unseen}
    parts = [f"{name} documents {v.mean:+.4f} ± {v.error:.4f}" for name, v in views.items() if v]
    return f"adapter kept: {metric} out of fold, {'; '.join(parts)} (p = {p_value:.2g})"


def _shortfall(row: CandidateScore, n_candidates: int, p_value: float, metric: str) -> str:
    """Return the best gain seen, and what it would take to tell such a gain from chance.

    Source: Cohen, Statistical Power Analysis (1988), 2.4, for one-sided 5 % and 80 % power.
    """
    gain, n_questions = row.overall, len(row.differences)
    told = (
        f"best candidate {gain.mean:+.4f} ± {gain.error:.4f} {metric} out of fold, p = "
        f"{p_value:.2g} among {n_candidates}; {n_questions} questions show a gain of "
        f"{POWER * gain.error:.4f}"
    )
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
