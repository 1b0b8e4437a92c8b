"""Train the adapters of many tenants."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from tqdm.auto import tqdm

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import DimensionMismatchError, InvalidDatasetError
from query_adapters.training.many.decision import ManyResult, decided
from query_adapters.training.many.shared import learn_shared_map
from query_adapters.training.many.tenant import Tenant, TenantSelection, select_for_tenant
from query_adapters.training.trainer import AdapterTrainer
from query_adapters.training.workers import Workers


def train_many(tenants: Sequence[Tenant], trainer: AdapterTrainer) -> ManyResult:
    """Return an adapter for each tenant, learned with the help of the others.

    A map is learned on the questions of all tenants. For each tenant, it is compared with the
    base, with maps learned on the tenant's questions alone, and with maps that are pulled toward
    the shared one (for this, one that was learned without the tenant).

    Args:
        tenants: At least two, each name once. Tenants that share questions belong together.
        trainer: Settings. The tenants are what `n_jobs` distributes; the result does not depend
            on it.

    Raises:
        InvalidDatasetError: If there are fewer than two tenants, or a name twice.
        DimensionMismatchError: If vectors of tenants differ in length.
        WorkerDiedError: As in `Workers.map`.

    Source: Evgeniou, Pontil, Regularized Multi-Task Learning (2004), 2.1, for pulling each task
        toward what all have in common.
    """
    began = time.perf_counter()
    _check(tenants)
    datasets = [tenant.data for tenant in tenants]
    largest = max(datasets, key=lambda data: len(data.queries) * len(data.labelled_rows.rows))
    workers = Workers.of(largest, trainer.n_jobs, device=trainer.device)
    with workers.limited():
        shared = learn_shared_map(datasets, trainer, workers)
        jobs = list(zip(tenants, shared.apart, strict=True))
        quiet = replace(trainer, show_progress=False, n_jobs=1)
        found = workers.map(select_for_tenant, quiet, jobs)
        with closing(found):
            selections: list[TenantSelection] = list(
                tqdm(found, total=len(jobs), desc="Tenants", disable=not trainer.show_progress)
            )
    return ManyResult(
        tenants=decided(tenants, selections, shared, guard=trainer.guard, metric=trainer.metric),
        shared=shared,
        metric=trainer.metric,
        elapsed_seconds=time.perf_counter() - began,
    )


def _check(tenants: Sequence[Tenant]) -> None:
    names = {tenant.name for tenant in tenants}
    if len(tenants) < 2 or len(names) < len(tenants):
        raise InvalidDatasetError(
            f"expected at least two tenants with different names, got {len(tenants)} with "
            f"{len(names)} names; train a single one with AdapterTrainer"
        )
    for tenant in tenants[1:]:
        _check_dim(tenant, tenants[0].data)


def _check_dim(tenant: Tenant, first: EmbeddedDataset) -> None:
    if tenant.data.dim != first.dim:
        raise DimensionMismatchError(
            f"vectors of tenant {tenant.name!r}",
            expected=first.dim,
            actual=tenant.data.dim,
            remedy="embed all tenants with one model",
        )
