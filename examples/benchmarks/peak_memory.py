"""The peak memory of processes while something runs, sampled by a thread."""

import threading
from collections.abc import Callable

import psutil


class PeakMemory(threading.Thread):
    """Notes the greatest size in a `with` block, in `peak`, in bytes.

    Args:
        size: Returns the size now.
        every_s: Seconds between two samples.
    """

    def __init__(self, size: Callable[[], int], *, every_s: float) -> None:
        super().__init__(daemon=True)
        self.peak, self._size, self._every_s = 0, size, every_s
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.peak = max(self.peak, self._size())

    def __enter__(self) -> "PeakMemory":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self.join()


def unshared(process: psutil.Process) -> int:
    """Return the bytes of a process without pages of mapped files; 0 if it has ended."""
    try:
        info = process.memory_info()
    except psutil.Error:
        return 0
    return int(info.rss - getattr(info, "shared", 0))


def with_children(process: psutil.Process) -> list[psutil.Process]:
    """Return the process and all that it has started."""
    return [process, *process.children(recursive=True)]
