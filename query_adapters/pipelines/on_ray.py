"""Run the blocks of a job by Ray Data, whose actors hold the model (extra: ray)."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_adapters._extras import require_extra
from query_adapters.pipelines.parquet import Block

MAX_RESTARTS = 10  # of a worker that dies, with its machine or alone; Ray's default is no limit

Work = Callable[[Block], None]
Numbers = Mapping[str, NDArray[np.int64]]


class BlockWorker:
    """An actor of Ray Data: runs the blocks whose numbers it gets, one by one."""

    def __init__(self, work: Work, blocks: Mapping[int, Block]) -> None:
        self._work, self._blocks = work, blocks

    def __call__(self, batch: Numbers) -> Numbers:
        """Run the blocks, and return their numbers."""
        for number in batch["block"].tolist():
            self._work(self._blocks[number])
        return batch


def run_on_ray(work: Work, blocks: Sequence[Block], options: Mapping[str, Any]) -> None:
    """Run the work on all blocks; Ray runs a block again whose worker or machine died.

    After `MAX_RESTARTS` deaths of one worker, the run ends with Ray's error, such as where a block
    is too large for its memory. Retries of a block have no limit: while a machine is lost, Ray may
    use up several before the worker is started elsewhere.

    Args:
        work: What is done with a block; the same block may be passed twice.
        blocks: The blocks, at least one.
        options: Arguments of `map_batches`.

    Raises:
        MissingExtraError: If Ray is not installed.
    """
    require_extra("ray")
    from ray import data

    numbers = [{"block": block.number} for block in blocks]
    with warnings.catch_warnings():
        # Ray deprecates `max_restarts` here, but has no other limit yet
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        done = data.from_items(numbers, override_num_blocks=len(numbers)).map_batches(
            BlockWorker,
            batch_size=1,
            batch_format="numpy",
            fn_constructor_args=(work, {block.number: block for block in blocks}),
            **{"max_restarts": MAX_RESTARTS, **options},
        )
    for _ in done.iter_batches(batch_size=None):
        pass
