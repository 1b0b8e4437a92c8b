"""Locks between processes; the operating system releases them when a process ends."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PAUSE = 0.02  # seconds between two attempts

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    FAR = 1 << 40  # Windows locks bytes; a byte far beyond the end keeps the content readable

    def lock(file: int, *, shared: bool = False) -> None:
        """Lock the file; BlockingIOError if another process has locked it."""
        os.lseek(file, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as exc:
            raise BlockingIOError(*exc.args) from exc

    def unlock(file: int) -> None:
        """Release the lock."""
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

    def _open(folder: Path) -> int:
        return os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)

else:
    import fcntl

    def lock(file: int, *, shared: bool = False) -> None:
        """Lock the file; BlockingIOError if another process has locked it.

        Args:
            file: Descriptor of the open file.
            shared: Whether others may lock it as well, if they share it too.
        """
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def unlock(file: int) -> None:
        """Release the lock."""
        fcntl.flock(file, fcntl.LOCK_UN)

    def _open(folder: Path) -> int:
        return os.open(folder, os.O_RDONLY)


@contextmanager
def locked_folder(folder: Path, *, shared: bool = False, patience: float = 10.0) -> Iterator[bool]:
    """Return a context that holds a lock on the folder; its value is whether the lock is held.

    Args:
        folder: The folder, which exists.
        shared: Whether others may hold it as well, if they share it too: to read.
        patience: Seconds to wait for others.

    A file system without locks, or a folder that may not be opened, is as if others held it no
    longer: the value is True.
    """
    try:
        file = _open(folder)
    except OSError:
        yield True
        return
    try:
        yield _locked_within(file, shared=shared, patience=patience)
    finally:
        release(file)


def release(file: int) -> None:
    """Release the lock and close the file, also if a forked process has inherited it."""
    with suppress(OSError):  # it was not locked
        unlock(file)
    os.close(file)


def _locked_within(file: int, *, shared: bool, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            lock(file, shared=shared)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE)
        except OSError:  # this file system has no locks
            return True
        else:
            return True
