"""Append to open files: all bytes or none of them."""

import os
from contextlib import suppress


class Appender:
    """Appends to a file that nobody else writes to.

    Args:
        descriptor: The file, open for reading and appending.
        durable: Whether to wait until the disk has the content. Without, what is appended survives
            the end of the process, but not of the machine.
    """

    def __init__(self, descriptor: int, *, durable: bool = True) -> None:
        self._descriptor = descriptor
        self._durable = durable
        self._length = os.fstat(descriptor).st_size

    def append(self, content: bytes) -> None:
        """Append the content; if that fails, the file has its earlier length again.

        Raises:
            OSError: If the disk is full or broken.
        """
        if os.fstat(self._descriptor).st_size != self._length:
            self._remove_rest()  # of a failure after which the disk did not even do that
        try:
            written = 0
            while written < len(content):  # a disk that becomes full takes a part
                written += os.write(self._descriptor, content[written:])
            if self._durable:
                os.fsync(self._descriptor)
        except BaseException:
            with suppress(OSError):
                self._remove_rest()
            raise
        self._length += len(content)

    def _remove_rest(self) -> None:
        os.ftruncate(self._descriptor, self._length)
