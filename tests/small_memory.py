"""A memory limit for torch, at which it fails as a device without memory does."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class SmallMemory(TorchFunctionMode):
    """A `with` block in which no tensor may have more elements than `most`."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.numel() > self._most:
            raise torch.OutOfMemoryError("out of memory (a limit of this test)")
        return result
