"""Faults of disks and files for tests: a full or failing disk, and things in place of files."""

import errno
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

SPECIAL = ("folder", "pipe", "device", "socket", "dangling link", "link loop", "sparse file")


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Limit the size of files of this process, which fills the disk for it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def failing(name: str, code: int = errno.EIO, *, after: int = 0) -> Iterator[None]:
    """Let a function of `os` fail with this code, after some calls that succeed."""
    real: Callable[..., Any] = getattr(os, name)
    calls = iter(range(after))

    def function(*arguments: Any, **options: Any) -> Any:
        if next(calls, None) is None:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    setattr(os, name, function)
    try:
        yield
    finally:
        setattr(os, name, real)


@contextmanager
def at_once(seconds: int = 20) -> Iterator[None]:
    """Fail if the block takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not over after {seconds} s")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def put(kind: str, path: Path) -> Path:
    """Put one of `SPECIAL` at the path, in place of what is there; return the path."""
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with chdir(path.parent), socket.socket(socket.AF_UNIX) as end:  # paths are short
            end.bind("s")
            os.rename("s", path.name)
    elif kind == "sparse file":
        with path.open("wb") as file:
            file.truncate(10 << 30)
    else:
        target = {"device": Path("/dev/zero"), "link loop": path}.get(kind, Path("nowhere"))
        path.symlink_to(target)
    return path
