"""The adapter of one tenant: candidates with and without the shared map, compared together."""

from dataclasses import dataclass, replace
from itertools import product
from math import inf
from typing import cast

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.candidates import Candidate, CandidateScore
from query_adapters.training.decision import Selection
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.regularization_path import Prior
from query_adapters.training.selection import Grid
from query_adapters.training.temperature import fitted_temperature
from query_adapters.training.trainer import AdapterTrainer
from query_adapters.training.workers import SERIAL


@dataclass(frozen=True, kw_only=True, eq=False)
class Tenant:
    """One of many datasets: of a tenant, a language or a collection.

    Attributes:
        name: Its name.
        data: Training questions over the documents that they search.
        seen_share: Expected share of future questions about documents with training questions.
    """

    name: str
    data: EmbeddedDataset
    seen_share: float = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class TenantSelection:
    """The comparison of a tenant's candidates.

    Attributes:
        selection: The best candidate, and what speaks for it.
        adapter: The best candidate, trained on all questions; None if none gains anything.
        table: Every candidate's out-of-fold differences from the base.
    """

    selection: Selection
    adapter: QueryAdapter | None
    table: tuple[CandidateScore, ...]

    @property
    def candidate(self) -> Candidate | None:
        """Settings of the best candidate; None if none gains anything."""
        best = self.selection.best
        return None if best is None else cast(Candidate, best.candidate)

    @property
    def gain(self) -> float:
        """Mean gain of the selection; 0 if nothing could be held out."""
        evidence = self.selection.evidence
        return 0.0 if evidence is None else evidence.gain.mean

    @property
    def p_value(self) -> float:
        """Probability of so large a gain by chance; 1 if nothing could be held out."""
        evidence = self.selection.evidence
        return 1.0 if evidence is None else evidence.p_value


def select_for_tenant(
    trainer: AdapterTrainer, job: tuple[Tenant, QueryAdapter | None]
) -> TenantSelection:
    """Return the comparison of the tenant's candidates, measured against the base.

    Args:
        trainer: Settings.
        job: The tenant, and the map that others share; None for candidates without it.
    """
    tenant, start = job
    data, share = tenant.data, trainer.seen_share
    trainer = replace(trainer, seen_share=tenant.seen_share if share is None else share)
    grid = trainer.grid(data, None)
    if start is not None:
        grid = _with_shared(grid, trainer, data, start)
    table, selection = trainer.selection(SERIAL).select(grid, trainer.sample(data, None))
    best = selection.best
    return TenantSelection(
        selection=selection,
        adapter=None if best is None else grid.fit(data, best.candidate).as_adapter(data.queries),
        table=() if table is None else table.rows,
    )


def _with_shared(
    grid: Grid, trainer: AdapterTrainer, data: EmbeddedDataset, start: QueryAdapter
) -> Grid:
    """Return the grid with candidates that are the shared map, or are pulled toward it."""
    score = LinearScore.of(data.documents, trainer.similarity)
    prior = PriorMap.from_adapter(start, data.queries, score)
    settings = product(trainer.memories, sorted(trainer.strengths, reverse=True))
    refined = [Candidate(0.0, strength, memory, shared=True) for memory, strength in settings]
    return replace(
        grid,
        candidates=[Candidate(0.0, inf, shared=True), *refined, *grid.candidates],
        shared=Prior(prior, fitted_temperature(data, prior, score)),
    )
