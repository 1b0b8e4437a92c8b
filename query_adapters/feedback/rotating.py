"""A file of lines that several processes append to, and that is rotated by size."""

import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from query_adapters.errors import InvalidDatasetError
from query_adapters.files.appending import Appender
from query_adapters.files.atomic import naming
from query_adapters.files.reading import WITHOUT_WAITING, check_regular
from query_adapters.processes.forks import PerProcess
from query_adapters.processes.locks import locked_within, release

PATIENCE = 10.0  # seconds to wait for another process that writes
PRIVATE = 0o600  # questions of users are personal data
FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | WITHOUT_WAITING
PART = re.compile(r"\.(\d{6,})")


class RotatingFile:
    """Appends whole lines; a file that would grow beyond `max_bytes` becomes `<path>.000001`, etc.

    Every line is written under a lock between processes, so lines do not mix. The file is opened
    for each line: a forked process, and one whose file another process has rotated or pruned,
    writes to the right one. If a process was killed in the middle of a line, the next line starts
    on a new one, and the cut one stays alone.

    Args:
        path: The file that is written; created with its folders by the first line.
        max_bytes: Size from which it is rotated.
        durable: As in `Appender`.
    """

    def __init__(self, path: Path, *, max_bytes: int, durable: bool) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._durable = durable
        self._threads = PerProcess(threading.Lock)  # the lock of a parent may be held forever

    def append(self, line: bytes) -> None:
        """Append one line, which ends with a line end; all of it or nothing.

        Raises:
            OSError: If it cannot be written.
            TimeoutError: If another process holds the lock for more than 10 seconds.
        """
        with self.locked() as file:
            size = os.fstat(file).st_size
            if not size or size + len(line) <= self._max_bytes:
                return self._append(file, size, line)
            try:
                os.replace(self.path, self._next_part())
            except PermissionError:  # Windows does not rename open files: it grows on
                return self._append(file, size, line)
        with self.locked() as file:
            self._append(file, os.fstat(file).st_size, line)

    def parts(self) -> list[Path]:
        """Return the rotated files, oldest first."""
        if not self.path.parent.is_dir():
            return []
        numbered = [
            (int(match[1]), path)
            for path in self.path.parent.iterdir()
            if path.name.startswith(self.path.name)
            and (match := PART.fullmatch(path.name[len(self.path.name) :]))
        ]
        return [path for _, path in sorted(numbered)]

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Yield the descriptor of the file; no other process or thread writes meanwhile."""
        with self._threads.get(), naming(self.path):
            file = self._opened()
            try:
                yield file
            finally:
                release(file)

    def _opened(self) -> int:
        """Return the descriptor of the locked file that the path names."""
        while True:
            file = self._open()
            try:
                if not locked_within(file, patience=PATIENCE):
                    raise TimeoutError(
                        f"{self.path}: another process has been writing it for {PATIENCE:g} s; "
                        "wait for its end, or name another file"
                    )
                if self._is_current(file):
                    return file
            except BaseException:
                release(file)
                raise
            release(file)

    def _open(self) -> int:
        try:
            return os.open(self.path, FLAGS, PRIVATE)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, FLAGS, PRIVATE)
        except OSError:
            check_regular(self.path, error=InvalidDatasetError)  # says that it is a folder
            raise

    def _is_current(self, file: int) -> bool:
        """Return whether the path still names the open file: others rotate and prune."""
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            check_regular(self.path, error=InvalidDatasetError)
        try:
            return os.path.samestat(found, os.stat(self.path))
        except FileNotFoundError:
            return False

    def _append(self, file: int, size: int, line: bytes) -> None:
        is_cut = False
        if size:
            os.lseek(file, size - 1, os.SEEK_SET)
            is_cut = os.read(file, 1) != b"\n"
        Appender(file, durable=self._durable).append(b"\n" + line if is_cut else line)

    def _next_part(self) -> Path:
        parts = self.parts()
        last = int(parts[-1].name.rpartition(".")[2]) if parts else 0
        return self.path.with_name(f"{self.path.name}.{last + 1:06d}")
