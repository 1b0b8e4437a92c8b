"""The shared map: learned on the questions of many tenants, measured on those of others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.splits import folds
from query_adapters.training.candidates import Candidate, ViewScore
from query_adapters.training.guard import ALPHA, max_t_p_value
from query_adapters.training.out_of_fold import HeldOutFold
from query_adapters.training.pooled import PooledDataset
from query_adapters.training.selection import Grid, paths_of
from query_adapters.training.trainer import AdapterTrainer
from query_adapters.training.verdict import signed
from query_adapters.training.workers import Workers
from query_adapters.typing import Rows, Values

MAX_GROUPS = 5  # of tenants; each group is measured with the maps of the others


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedMap:
    """A map that tenants share, and what it gains for tenants that it was not learned on.

    Attributes:
        adapter: The map learned on all tenants, for new ones.
        candidate: Its settings.
        gain: Mean gain over tenants with its standard error, each measured with `apart`.
        p_value: Of that gain, adjusted for the number of candidates.
        apart: For each tenant, the map learned without its group of tenants.
        gains: For each tenant, the gain of that map on each of its questions.
    """

    adapter: QueryAdapter
    candidate: Candidate
    gain: ViewScore
    p_value: float
    apart: Sequence[QueryAdapter]
    gains: Sequence[Values]

    @property
    def is_proven(self) -> bool:
        """Whether its gain over tenants is more than chance explains."""
        return self.gain.mean > 0 and self.p_value <= ALPHA

    @property
    def served(self) -> QueryAdapter:
        """The map for tenants without questions: the identity if it is not proven."""
        return self.adapter if self.is_proven else LinearAdapter.identity(self.adapter.dim_in)

    def summary(self, metric: str) -> str:
        """Return its gain and whether that is proven, as a sentence."""
        return (
            f"Shared map: {signed(self.gain.mean)} {metric} for tenants that it was not learned "
            f"on (standard error {self.gain.error:.3f}, p = {self.p_value:.2g}), "
            f"{'proven' if self.is_proven else 'not proven'}."
        )

    def to_record(self, metric: str) -> dict[str, Any]:
        """Return everything but weights and single questions, as JSON can hold it."""
        return {
            "verdict": self.summary(metric),
            "decision": "shared" if self.is_proven else "base",
            "metric": metric,
            "gain": self.gain.mean,
            "p_value": self.p_value,
            "n_tenants": len(self.gains),
            "settings": self.candidate.to_record(),
        }

    def suits(self, tenant: int) -> bool:
        """Return whether it is proven, and not worse than the base for this tenant."""
        return self.is_proven and not ViewScore.of(self.gains[tenant]).is_worse_than_base


@dataclass(frozen=True, eq=False)
class _Group:
    """Tenants to measure on, and how maps are learned on the others.

    Attributes:
        grid: The candidates.
        others: The pooled questions of the other groups.
        tenants: The group's datasets.
    """

    grid: Grid
    others: PooledDataset
    tenants: Sequence[EmbeddedDataset]


_Measured = tuple[list[QueryAdapter], list[Values]]


def learn_shared_map(
    datasets: Sequence[EmbeddedDataset], trainer: AdapterTrainer, workers: Workers
) -> SharedMap:
    """Return the map learned on the pooled questions, cross-fitted over tenants.

    A question's negatives are documents of its own tenant. Tenants are split into five groups. A
    tenant is measured with a map that was learned on the other groups, with the setting that gains
    most in the other groups, so none of its questions is in the map that its adapter starts from.
    The alternative, one map per fold of each tenant's questions, would take as many fits as there
    are tenants and folds.

    Args:
        datasets: The tenants' questions, at least two tenants.
        trainer: Settings; the shared map has no memory, which other tenants' questions cannot use.
        workers: Where maps are learned.

    Source: Chernozhukov et al., Double/Debiased Machine Learning (2018), 3, for cross-fitting.
    """
    trainer = replace(trainer, memories=(None,))
    n_groups = min(MAX_GROUPS, len(datasets))
    group_of = folds(np.arange(len(datasets)), n_folds=n_groups, seed=trainer.seed)
    groups = [_group(datasets, group_of == number, trainer) for number in range(n_groups)]
    candidates = groups[0].grid.candidates
    paths = paths_of(candidates)
    jobs = [(group, path) for group in groups for path in paths]
    measured = list(workers.map(_measured, None, jobs))
    maps: list[list[QueryAdapter]] = []
    gains: list[list[Values]] = [[] for _ in datasets]  # of each candidate, `(n_queries,)`
    for number in range(n_groups):
        of_group = measured[number * len(paths) : (number + 1) * len(paths)]
        maps.append([adapter for adapters, _ in of_group for adapter in adapters])
        for place, tenant in enumerate(np.flatnonzero(group_of == number)):
            gains[tenant] = [row for _, by_tenant in of_group for row in by_tenant[place]]
    means = np.array([[row.mean() for row in rows] for rows in gains]).T
    chosen = [int(means[:, group_of != number].mean(axis=1).argmax()) for number in group_of]
    best = int(means.mean(axis=1).argmax())
    own = [rows[place] for rows, place in zip(gains, chosen, strict=True)]
    return SharedMap(
        adapter=_learned(datasets, candidates[best], trainer),
        candidate=candidates[best],
        gain=ViewScore.of(np.array([row.mean() for row in own])),
        p_value=max_t_p_value(
            list(means), best, groups=np.arange(len(datasets)), seed=trainer.seed
        ),
        apart=[maps[g][place] for g, place in zip(group_of, chosen, strict=True)],
        gains=own,
    )


def _group(datasets: Sequence[EmbeddedDataset], held_out: Rows, trainer: AdapterTrainer) -> _Group:
    others = PooledDataset.of([d for d, out in zip(datasets, held_out, strict=True) if not out])
    tenants = [d for d, out in zip(datasets, held_out, strict=True) if out]
    return _Group(trainer.grid(others, None), others, tenants)


def _measured(_: None, job: tuple[_Group, list[int]]) -> _Measured:
    """Return the maps of one path, and for each tenant their gains, `(n_maps, n_queries)`."""
    group, path = job
    maps = list(group.grid.adapters(group.others, path))
    tenants = [group.grid.held_out(d, np.arange(len(d.queries))) for d in group.tenants]
    return maps, [np.stack([_gains(fold, adapter) for adapter in maps]) for fold in tenants]


def _learned(
    datasets: Sequence[EmbeddedDataset], candidate: Candidate, trainer: AdapterTrainer
) -> QueryAdapter:
    pooled = PooledDataset.of(datasets)
    fit = trainer.grid(pooled, None).fit(pooled, candidate)
    return fit.as_adapter(pooled.queries)


def _gains(fold: HeldOutFold, adapter: QueryAdapter) -> Values:
    """Return the gain on each question, times its weight over the mean weight."""
    gains: Values = fold.data.relative_weights * fold.gains(adapter)[0]
    return gains
