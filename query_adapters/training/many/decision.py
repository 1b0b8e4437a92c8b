"""Decide for each of many tenants, at a controlled rate of false discoveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from scipy.stats import false_discovery_control

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.training.candidates import Candidate
from query_adapters.training.guard import ALPHA
from query_adapters.training.many.shared import SharedMap
from query_adapters.training.many.tenant import Tenant, TenantSelection
from query_adapters.training.verdict import counted, signed
from query_adapters.typing import Guard

TenantDecision = Literal["base", "shared", "own", "shared+own"]
SERVED: dict[TenantDecision, str] = {
    "base": "Keep the base model",
    "shared": "Use the map that tenants share",
    "own": "Use the tenant's own adapter",
    "shared+own": "Use the tenant's own adapter, learned from the shared map",
}
HEADINGS = ("tenant", "questions", "decision", "gain", "p", "p adjusted")


@dataclass(frozen=True, kw_only=True, eq=False)
class TenantResult:
    """What one tenant is served with.

    Attributes:
        name: The tenant's name.
        decision: "base" for the model as it is, "shared" for the map of all tenants, "own" for
            one learned on the tenant's questions, "shared+own" for one pulled toward the map of
            other tenants.
        gain: Mean gain of that decision over the base on questions held out; 0 for the base.
        p_value: Of the gain of the tenant's best candidate, selection included.
        p_adjusted: That p value adjusted for the number of tenants.
        n_queries: Training questions.
        adapter: The map to serve; the identity for the base.
        candidate: Its settings; None for the base.
        metric: Metric of the gain.
    """

    name: str
    decision: TenantDecision
    gain: float
    p_value: float
    p_adjusted: float
    n_queries: int
    adapter: QueryAdapter
    candidate: Candidate | None
    metric: str

    @property
    def verdict(self) -> str:
        """Decision, expected gain and adjusted p value, as a short block of text."""
        return (
            f"{SERVED[self.decision]}.\n"
            f"Expected gain: {signed(self.gain)} {self.metric} ({counted(self.n_queries)}).\n"
            f"Confidence of the best candidate: p = {self.p_value:.2g}, adjusted for the number "
            f"of tenants {self.p_adjusted:.2g}."
        )

    def to_record(self) -> dict[str, Any]:
        """Return everything but name and weights, as JSON can hold it."""
        return {
            "verdict": self.verdict,
            "decision": self.decision,
            "metric": self.metric,
            "gain": self.gain,
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
            "n_queries": self.n_queries,
            "settings": None if self.candidate is None else self.candidate.to_record(),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class ManyResult:
    """The adapters of many tenants; `str()` gives them as a table.

    Attributes:
        tenants: One result for each tenant, in the order given.
        shared: The map that tenants share, and what it gains for tenants not learned from.
        metric: Metric of all gains.
        elapsed_seconds: Wall time of all fits.
    """

    tenants: tuple[TenantResult, ...]
    shared: SharedMap
    metric: str
    elapsed_seconds: float

    def __str__(self) -> str:
        cells = [HEADINGS, *(_cells(tenant) for tenant in self.tenants)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        return "\n".join([self.shared.summary(self.metric), "", *lines])


def _cells(tenant: TenantResult) -> tuple[str, ...]:
    numbers = (f"{tenant.p_value:.2g}", f"{tenant.p_adjusted:.2g}")
    return tenant.name, str(tenant.n_queries), tenant.decision, signed(tenant.gain), *numbers


def decided(
    tenants: Sequence[Tenant],
    selections: Sequence[TenantSelection],
    shared: SharedMap,
    *,
    guard: Guard,
    metric: str,
) -> tuple[TenantResult, ...]:
    """Return what each tenant is served with.

    A tenant's best candidate is kept if its p value, adjusted by Benjamini and Hochberg over all
    tenants, is at most 0.05: of the candidates that are kept, at most 5 % on average gain nothing.
    This false discovery rate is controlled rather than the probability of any error (Holm),
    because tenants are served one by one: one wrong decision does no harm to the others. With 200
    tenants, Holm would ask for p <= 0.00025, which hardly any 40 questions can show. Other tenants
    get the shared map if that is proven over all tenants and is not worse than the base on the
    tenant's own questions by more than a standard error; else the base.

    Args:
        tenants: The tenants.
        selections: The comparison of each tenant's candidates.
        shared: The shared map.
        guard: "strict" for the rule above; with another, a candidate is kept as in
            `AdapterTrainer`, tenant by tenant.
        metric: Metric of the gains.

    Source: Benjamini, Hochberg, Controlling the False Discovery Rate (1995); Benjamini, Yekutieli,
        The Control of the False Discovery Rate under Dependency (2001), 1.2, for tests that depend
        positively on each other.
    """
    adjusted = false_discovery_control([found.p_value for found in selections], method="bh")
    results = []
    for place, (tenant, found, p_adjusted) in enumerate(
        zip(tenants, selections, adjusted, strict=True)
    ):
        decision, gain, adapter, candidate = _decision(
            tenant, found, shared, place, _is_kept(found, float(p_adjusted), guard)
        )
        results.append(
            TenantResult(
                name=tenant.name,
                decision=decision,
                gain=gain,
                p_value=found.p_value,
                p_adjusted=float(p_adjusted),
                n_queries=len(tenant.data.queries),
                adapter=adapter,
                candidate=candidate,
                metric=metric,
            )
        )
    return tuple(results)


def _is_kept(found: TenantSelection, p_adjusted: float, guard: Guard) -> bool:
    if guard != "strict":
        return found.selection.is_kept
    return found.adapter is not None and p_adjusted <= ALPHA


def _decision(
    tenant: Tenant, found: TenantSelection, shared: SharedMap, place: int, is_kept: bool
) -> tuple[TenantDecision, float, QueryAdapter, Candidate | None]:
    candidate = found.candidate if is_kept else None
    is_shared = candidate is not None and candidate.shared and candidate.strength == inf
    if candidate is not None and found.adapter is not None and not is_shared:
        decision: TenantDecision = "shared+own" if candidate.shared else "own"
        return decision, found.gain, found.adapter, candidate
    if is_shared or shared.suits(place):
        return "shared", float(shared.gains[place].mean()), shared.adapter, shared.candidate
    return "base", 0.0, LinearAdapter.identity(tenant.data.dim), None
