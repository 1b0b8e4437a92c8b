"""Replace files atomically: a reader finds either the old content or the new one."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

EXCLUSIVE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
PRIVATE = 0o600
READABLE = 0o666  # less the process's umask


def replace_file(path: str | Path, parts: Iterable[bytes]) -> Path:
    """Write the parts to the file durably, and return its path.

    The parts are written to a temporary file, which then replaces the file; a failure in between
    leaves the file unchanged. A link stays a link and a file keeps its permissions, which the
    temporary file has from the start. A path that is not a regular file, such as `/dev/stdout`, is
    written directly.
    """
    path = Path(path)
    with naming(path):
        if path.exists() and not path.is_file():
            with _special(path) as stream:
                stream.writelines(parts)
        else:
            with replacing(path) as file:
                file.writelines(parts)
    return path


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that replaces the file when the block ends without an error."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{uuid4().hex}.tmp")
    try:
        with _created(temporary, like=target) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Add the path to errors of the operating system that name no file, such as a full disk's."""
    try:
        yield
    except OSError as exc:
        if exc.errno is not None and exc.filename is None:
            exc.filename = str(path)
        raise


def _created(temporary: Path, *, like: Path) -> BinaryIO:
    """Return the new file, with the permissions of the other one before anything is in it."""
    try:
        found = like.stat()
    except OSError:
        return os.fdopen(os.open(temporary, EXCLUSIVE, READABLE), "w+b")
    descriptor = os.open(temporary, EXCLUSIVE, PRIVATE)
    if hasattr(os, "fchmod"):
        try:
            with suppress(OSError):  # another owner is kept where the process may do so
                os.fchown(descriptor, found.st_uid, found.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
        except OSError:
            os.close(descriptor)
            raise
    return os.fdopen(descriptor, "w+b")


def _special(path: Path) -> BinaryIO:
    """Open a device or a pipe; a pipe that nobody reads is an error instead of a wait."""
    descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")
