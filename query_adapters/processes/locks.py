"""Locks between processes; the operating system releases them when a process ends."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PAUSE = 0.005  # seconds between two attempts
_held = threading.local()  # folders that this thread writes

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
def writing(folder: Path, *, refusal: type[Exception], patience: float = 10.0) -> Iterator[None]:
    """Return a context in which no other process or thread writes the folder, or reads it.

    It may be entered again while it is held. A file system without locks is not protected.

    Args:
        folder: The folder, which exists.
        refusal: Class of the error if others hold it for longer.
        patience: Seconds to wait for others.
    """
    held = _held.__dict__.setdefault("folders", set())
    key = os.path.realpath(folder)  # `resolve` fails on a loop of links
    if key in held:
        yield
        return
    with _locked(folder, shared=False, patience=patience) as is_ours:
        if not is_ours:
            raise refusal(
                f"{folder}: another process has been writing or reading it for {patience:g} s; "
                "wait for its end, or name another folder"
            )
        held.add(key)
        try:
            yield
        finally:
            held.discard(key)


@contextmanager
def reading(folder: Path, *, patience: float = 1.0) -> Iterator[bool]:
    """Return a context in which the folder's files belong together; others may read them too.

    Its value is False if the folder is being written for longer than `patience` seconds: then they
    may differ.
    """
    with _locked(folder, shared=True, patience=patience) as undisturbed:
        yield undisturbed


@contextmanager
def _locked(folder: Path, *, shared: bool, patience: float) -> Iterator[bool]:
    """Yield whether the lock is held, or cannot be had on this file system."""
    if os.path.realpath(folder) in _held.__dict__.get("folders", ()):
        yield True
        return
    try:
        file = _open(folder)
    except OSError:
        yield True
        return
    try:
        yield locked_within(file, shared=shared, patience=patience)
    finally:
        release(file)


def release(file: int) -> None:
    """Release the lock and close the file, also if a forked process has inherited it."""
    with suppress(OSError):  # it was not locked
        unlock(file)
    os.close(file)


def locked_within(file: int, *, shared: bool = False, patience: float) -> bool:
    """Return whether the open file is locked now, or cannot be on this file system.

    Args:
        file: Descriptor of the open file.
        shared: Whether others may lock it as well, if they share it too.
        patience: Seconds to wait for others.
    """
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
