"""Open files from strangers: regular files only, up to a size, without waiting for anything.

A pipe, a device or a folder in place of a file is refused at once. Each function takes the error
to raise, such as `InvalidDatasetError`; a missing file is a FileNotFoundError, and the operating
system's other refusals are raised unchanged.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

ErrorType = Callable[[str], Exception]

VARIABLE = "QUERY_ADAPTERS_MAX_FILE_BYTES"
RECORD_BYTES = 64 << 20  # records, settings, model cards: read whole, and small by their nature
WHOLE_BYTES = 1 << 30  # datasets and journals that are read whole
STREAM_BYTES = 8 << 30  # weights, and files that are read piece by piece
LINE_BYTES = 64 << 20  # one line of a text file
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of some editors
WITHOUT_WAITING = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def max_bytes(default: int) -> int:
    """Return the size that a file may have; `QUERY_ADAPTERS_MAX_FILE_BYTES` replaces the default.

    Raises:
        ValueError: If the variable is not a whole number above 0.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) > 0):
        raise ValueError(f"{VARIABLE}: expected a number of bytes above 0, got {text[:40]!r}")
    return int(text)


@contextmanager
def open_file(path: str | Path, *, error: ErrorType, limit: int) -> Iterator[BinaryIO]:
    """Open a regular file for reading bytes.

    Args:
        path: The file; a link to one is followed.
        error: Makes the error of a message.
        limit: The most bytes, unless the environment variable says more; see `max_bytes`.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    check_file(path, error=error, limit=limit)
    with os.fdopen(os.open(path, os.O_RDONLY | WITHOUT_WAITING), "rb") as file:
        _check(os.fstat(file.fileno()), path, error, limit)  # it may have been replaced
        yield file


def check_file(path: str | Path, *, error: ErrorType, limit: int) -> int:
    """Return the size of a file that another library will open, in bytes; checks as `open_file`.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    try:
        found = os.stat(path)
    except ValueError as exc:
        raise error(_no_name(path)) from exc
    except OSError as exc:
        if os.path.islink(path):
            raise error(
                f"{path}: expected a file, got a link whose target cannot be found "
                f"({exc.strerror}); copy the file itself"
            ) from exc
        raise
    _check(found, path, error, limit)
    return found.st_size


def check_size(what: str | Path, size: int, *, error: ErrorType, limit: int) -> None:
    """Check a number of bytes against the limit, or the environment variable in its place."""
    most = max_bytes(limit)
    if size > most:
        raise error(
            f"{what}: expected at most {most:,} bytes, got {size:,} or more; if the file is as it "
            f"should be, set the environment variable {VARIABLE} to a greater number"
        )


def check_regular(path: str | Path, *, error: ErrorType) -> None:
    """Check that a path that another library will open is a file, or not there yet."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    except ValueError as exc:
        raise error(_no_name(path)) from exc
    _check_kind(found, path, error)


def _no_name(path: str | Path) -> str:
    """Return the message about a path with a null character or a lone surrogate."""
    return f"expected the name of a file, got {str(path)[:200]!r}"


def read_bytes(path: str | Path, *, error: ErrorType, limit: int = RECORD_BYTES) -> bytes:
    """Return the content of a file; checks as `open_file`."""
    with open_file(path, error=error, limit=limit) as file:
        content = file.read(max_bytes(limit) + 1)
    check_size(path, len(content), error=error, limit=limit)  # it may have grown meanwhile
    return content


def read_text(path: str | Path, *, error: ErrorType, limit: int = RECORD_BYTES) -> str:
    """Return the text of a file in UTF-8, without a byte order mark; checks as `open_file`."""
    return decoded(read_bytes(path, error=error, limit=limit), str(path), error=error)


def read_lines(
    path: str | Path, *, error: ErrorType, limit: int = STREAM_BYTES, longest: int = LINE_BYTES
) -> Iterator[tuple[str, str]]:
    """Yield the place of each line, `<path>:<number>`, and its text in UTF-8 with the line end.

    Args:
        path: The file.
        error: Makes the error of a message.
        limit: As in `open_file`.
        longest: The most bytes of a line, unless the environment variable says more.
    """
    most = max_bytes(longest)
    with open_file(path, error=error, limit=limit) as file:
        number = 0
        while line := file.readline(most + 1):
            number += 1
            place = f"{path}:{number}"
            check_size(f"{place}: a line", len(line), error=error, limit=longest)
            yield place, decoded(line, place, error=error, may_be_marked=number == 1)


def decoded(content: bytes, place: str, *, error: ErrorType, may_be_marked: bool = True) -> str:
    """Return the text of bytes in UTF-8, without a byte order mark."""
    plain = content.removeprefix(BYTE_ORDER_MARK) if may_be_marked else content
    try:
        return plain.decode()
    except UnicodeDecodeError as exc:
        raise error(
            f"{place}: expected text in UTF-8, got byte 0x{plain[exc.start]:02x}; "
            "save the file as UTF-8"
        ) from exc


def _check_kind(found: os.stat_result, path: str | Path, error: ErrorType) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for fits, name in KINDS if fits(found.st_mode)), "something else")
        raise error(f"{path}: expected a file, got {kind}; name a file")


def _check(found: os.stat_result, path: str | Path, error: ErrorType, limit: int) -> None:
    _check_kind(found, path, error)
    check_size(path, found.st_size, error=error, limit=limit)
