"""Large products on a device of torch: rows that stay there if they fit, and work in blocks.

torch is imported when a device other than "cpu" is first used, in training alone. Sums over many
terms are taken in double precision by numpy, since not every device has it.
"""

import logging
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from query_adapters._extras import require_extra
from query_adapters.typing import Values

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

FLOATS_AT_ONCE = 2**27  # of the largest intermediate result: 512 MB
TERMS_AT_ONCE = 4_096  # of a sum in single precision
Result = TypeVar("Result")
logger = logging.getLogger(__name__)


class Device:
    """A device of torch.

    Args:
        name: Such as "cuda", "cuda:1", "mps", or "cpu:0" for torch on the processor.
        floats_at_once: Size of the largest intermediate result.

    Raises:
        MissingExtraError: If torch is not installed.
        ValueError: If there is no such device.
    """

    def __init__(self, name: str, *, floats_at_once: int = FLOATS_AT_ONCE) -> None:
        require_extra("torch")
        import torch

        try:
            self._device = torch.device(name)
            torch.empty(1, device=self._device).cpu()
        except (AssertionError, ImportError, RuntimeError, TypeError) as exc:  # as torch refuses it
            raise ValueError(
                f"device: expected one of {', '.join(_devices())}, got {name!r}; use 'auto', or "
                "install torch for that device"
            ) from exc
        self._floats_at_once = floats_at_once
        self._said: set[str] = set()

    def here(self, array: "Tensor | NDArray[Any]") -> "Tensor":
        """Return the array on this device; a tensor is there already."""
        import torch

        if isinstance(array, torch.Tensor):
            return array
        return torch.tensor(np.ascontiguousarray(array), device=self._device)

    def rows(self, array: "NDArray[Any]") -> "DeviceRows":
        """Return the rows of a matrix, kept on the device if that leaves half of its free memory.

        Else they stay where they are, and are sent in blocks each time they are used.
        """
        if array.nbytes <= self._free_bytes() / 2:
            try:
                return DeviceRows(self, self.here(array))
            except RuntimeError as exc:
                if not _is_out_of_memory(exc):
                    raise
        self._say_once("vectors stay in the memory of the host and are sent in blocks")
        return DeviceRows(self, array)

    def in_blocks(
        self, n: int, floats_a_row: int, work: Callable[[slice], Result]
    ) -> Iterator[tuple[slice, Result]]:
        """Yield blocks of n rows with the result of the work on each.

        Blocks are halved where the device runs out of memory, from then on for all work on it. If
        it does not suffice for one row, torch's error passes.

        Args:
            n: Number of rows.
            floats_a_row: Size of the largest intermediate result, for each row.
            work: Takes the rows of a block.
        """
        start = 0
        while start < n:
            size = self._size(floats_a_row)
            block = slice(start, min(start + size, n))
            try:
                result = work(block)
            except RuntimeError as exc:
                n_tried = block.stop - start
                if n_tried == 1 or not _is_out_of_memory(exc):
                    raise
                self._say_once("out of memory, so work goes on in smaller blocks")
                self._floats_at_once = n_tried * floats_a_row // 2
                continue
            yield block, result
            start = block.stop

    def blocks(self, n: int, floats_a_row: int) -> list[slice]:
        """Return slices of n rows, of a size that fits beside other work."""
        size = self._size(floats_a_row)
        return [slice(start, min(start + size, n)) for start in range(0, n, size)]

    def _size(self, floats_a_row: int) -> int:
        return max(1, self._floats_at_once // floats_a_row)

    def _say_once(self, what: str) -> None:
        if what not in self._said:
            logger.warning("device %s: %s", self._device, what)
        self._said.add(what)

    def _free_bytes(self) -> float:
        import torch

        if self._device.type != "cuda":
            return inf
        return float(torch.cuda.mem_get_info(self._device)[0])


class DeviceRows:
    """Rows of a matrix, on the device, or on the host and sent in blocks.

    Args:
        device: Where they are used.
        rows: The matrix, `(n, dim)`, or a vector `(n,)`; a tensor if it is on the device.
    """

    def __init__(self, device: Device, rows: "Tensor | NDArray[Any]") -> None:
        self._device, self._rows = device, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: "slice | NDArray[Any] | Tensor") -> "Tensor":
        """Return some of the rows, on the device."""
        if isinstance(self._rows, np.ndarray):
            return self._device.here(self._rows[rows if isinstance(rows, slice) else host(rows)])
        return self._rows[rows if isinstance(rows, slice) else self._device.here(rows).long()]

    def product(self, left: "Tensor") -> "Tensor":
        """Return `left @ rows.T`, `(len(left), n)`."""
        return _joined([left @ self[block].T for block in self._blocks()], dim=1)

    def combined(self, weights: "Tensor") -> "Tensor":
        """Return `weights @ rows`, `(len(weights), dim)`."""
        first, *others = self._blocks()
        total = weights[:, first] @ self[first]
        for block in others:
            total += weights[:, block] @ self[block]
        return total

    def squares(self) -> "Tensor":
        """Return the squared length of each row, `(n,)`."""
        n, dim = self._rows.shape
        found = self._device.in_blocks(n, dim, lambda block: (self[block] ** 2).sum(1))
        return _joined([squares for _, squares in found], dim=0)

    def _blocks(self) -> list[slice]:
        if isinstance(self._rows, np.ndarray):
            return self._device.blocks(len(self._rows), self._rows.shape[1])
        return [slice(0, len(self._rows))]


def device_of(name: str) -> Device | None:
    """Return the device of this name; None for "cpu", which is numpy.

    "auto" is "cuda:0" or "mps" if torch finds one of them, else "cpu".

    Raises:
        MissingExtraError: If torch is not installed.
        ValueError: If there is no such device.
    """
    found = _best() if name == "auto" else name
    return None if found == "cpu" else _opened(found)


@lru_cache(maxsize=8)  # so that a process keeps to the size of blocks that fits
def _opened(name: str) -> Device:
    return Device(name)


def _best() -> str:
    if find_spec("torch") is None:
        return "cpu"
    return _devices()[-1]


def _devices() -> list[str]:
    """Return the devices that torch finds, the one that "auto" takes last."""
    import torch

    cuda = [f"cuda:{number}" for number in reversed(range(torch.cuda.device_count()))]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *mps, *cuda]


def host(tensor: "Tensor | NDArray[Any]") -> "NDArray[Any]":
    """Return the numbers in memory, as numpy holds them."""
    return tensor if isinstance(tensor, np.ndarray) else tensor.cpu().numpy()


def _joined(parts: "list[Tensor]", dim: int) -> "Tensor":
    import torch

    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


def group_maxima(matrix: "Tensor", group_of: "Tensor") -> "Tensor":
    """Return the greatest number of each group of columns, `(n_rows, n_groups)`.

    Args:
        matrix: `(n_rows, n_columns)`.
        group_of: The group of each column, numbered from 0 without gaps, `(n_columns,)`.
    """
    found = matrix.new_full((len(matrix), int(group_of.max()) + 1), -inf)
    return found.scatter_reduce_(1, group_of.expand_as(matrix), matrix, "amax")


def row_sums(matrix: "Tensor") -> Values:
    """Return the sum of each row in double precision, `(n,)`."""
    starts = range(0, matrix.shape[1], TERMS_AT_ONCE)
    parts = [host(matrix[:, start : start + TERMS_AT_ONCE].sum(1)) for start in starts]
    sums: Values = np.sum(parts, axis=0, dtype=np.float64)
    return sums


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    # "mps" raises a plain RuntimeError
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)
