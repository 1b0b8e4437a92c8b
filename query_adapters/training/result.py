"""The result of training: the adapter, how it was chosen, and the verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from query_adapters.adapters import QueryAdapter
from query_adapters.training.candidates import CandidateScore
from query_adapters.training.decision import Evidence
from query_adapters.training.verdict import Reference, ResultWithVerdict


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrainingResult(ResultWithVerdict):
    """A trained adapter and how it was chosen.

    Attributes:
        verdict: The outcome; its fields are also the result's own (`decision`, `expected_gain`,
            `p_value`, `advice`, `metric`).
        adapter: The map; the identity, or the adapter to refine, if no gain could be shown.
        chosen: Its row of the table; None if no candidate was kept.
        table: Every candidate's out-of-fold differences from the reference.
        evidence: Gain and p value of the selection, measured on questions that did not take part
            in it; None if nothing could be held out.
        temperatures: τ that fits the base's scores, by whitening exponent.
        served_whitening: Exponent at which a served index without labels was whitened; None if
            there was none.
        reference: What the differences are from: the base, or the adapter to refine ("start").
        seen_share: Expected share of future questions about documents with training questions.
        n_queries: Training questions.
        n_compared: How many of them candidates were compared on.
        n_documents: Documents that training searched in.
        elapsed_seconds: Wall time of selection and fit.
    """

    adapter: QueryAdapter
    chosen: CandidateScore | None
    table: tuple[CandidateScore, ...]
    evidence: Evidence | None = None
    temperatures: Mapping[float, float] = field(default_factory=dict)
    served_whitening: float | None = None
    reference: Reference = "base"
    seen_share: float
    n_queries: int
    n_compared: int
    n_documents: int
    elapsed_seconds: float

    @property
    def _temperature(self) -> float | None:
        """τ of the chosen candidate's training."""
        if self.chosen is None:
            return None
        candidate = self.chosen.candidate
        fitted = self.temperatures.get(candidate.whitening)
        return None if fitted is None else fitted * candidate.sharpening

    def to_record(self) -> dict[str, Any]:
        """Return everything but the weights, as JSON can hold it."""
        return {
            **self.verdict.to_record(),
            "reference": self.reference,
            "seen_share": self.seen_share,
            "chosen": None if self.chosen is None else _row_record(self.chosen),
            "temperature": self._temperature,
            "table": [_row_record(row) for row in self.table],
            "served_whitening": self.served_whitening,
            "n_queries": self.n_queries,
            "n_compared": self.n_compared,
            "n_documents": self.n_documents,
            "elapsed_seconds": round(self.elapsed_seconds, 3),
        }


def _row_record(row: CandidateScore) -> dict[str, Any]:
    return {**asdict(row), "candidate": row.candidate.to_record()}
