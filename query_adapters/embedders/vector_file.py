"""The SQLite file of an embedding cache, which may be damaged, locked or of another program."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from query_adapters.errors import EmbeddingCacheError
from query_adapters.files.reading import check_regular
from query_adapters.typing import Vectors

TABLE = "CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
OBJECTS = r"SELECT sql, type FROM sqlite_master WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'"
LOOKED_UP_AT_ONCE = 500  # SQLite's limit on parameters of one statement is 999 in old builds
LONGEST = 1 << 22  # bytes of a vector of a million numbers
PATIENCE = 60  # seconds to wait for another process that writes
UNKNOWN_DIM = 1024  # assumed for the room that vectors need
SIBLINGS = ("-journal", "-wal", "-shm")  # files that SQLite keeps beside its own
ELSEWHERE = "name another cache file"
DELETABLE = f"remove it with its {', '.join(SIBLINGS)} files and run again, or {ELSEWHERE}"
REMEDIES = {
    sqlite3.SQLITE_NOTADB: f"it is no SQLite database: {ELSEWHERE}, or remove it",
    sqlite3.SQLITE_CORRUPT: f"it is damaged: {DELETABLE}",
    sqlite3.SQLITE_BUSY: f"another process has locked it: wait for its end, or {ELSEWHERE}",
    sqlite3.SQLITE_LOCKED: f"another process has locked it: wait for its end, or {ELSEWHERE}",
    sqlite3.SQLITE_READONLY: f"allow this user to write the file and its folder, or {ELSEWHERE}",
    sqlite3.SQLITE_CANTOPEN: f"allow this user to write the file and its folder, or {ELSEWHERE}",
    sqlite3.SQLITE_PERM: f"allow this user to write the file and its folder, or {ELSEWHERE}",
    sqlite3.SQLITE_FULL: f"make room on its disk, or {ELSEWHERE}",
    sqlite3.SQLITE_IOERR: f"check its disk and the room on it, or {ELSEWHERE}",
}


@dataclass(frozen=True, eq=False)
class StoredRows:
    """What a file holds of the vectors that were asked for.

    Attributes:
        vectors: Finite vectors by key; their lengths may differ.
        n_damaged: Number of other rows.
    """

    vectors: dict[bytes, Vectors]
    n_damaged: int


class VectorFile:
    """Vectors by key in one SQLite file; each call opens the file that is there then.

    Args:
        path: The file, created with its folders by `check_writable`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, keys: Sequence[bytes]) -> StoredRows:
        """Return the stored vectors; a file that is not there holds none.

        Raises:
            EmbeddingCacheError: If the file cannot be read as a cache.
        """
        if not keys or not os.path.lexists(self._path):
            return StoredRows({}, 0)
        with self._connected() as connection:
            found = os.stat(self._path)
            state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if not _has_table(self._path, state):
                return StoredRows({}, 0)
            return _look_up(connection, list(dict.fromkeys(keys)))

    def write(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Store the vectors.

        Raises:
            EmbeddingCacheError: If the file cannot be written; it is as it was before.
        """
        rows = [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
        with self._writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            connection.execute("COMMIT")

    def check_writable(self, n_vectors: int, dim: int | None) -> None:
        """Check that so many vectors can be stored, before they are paid for.

        Raises:
            EmbeddingCacheError: If the file cannot be written, or the disk lacks room.
        """
        with self._writing() as connection:
            connection.execute("PRAGMA user_version = 0")  # the file's first page is written
            if connection.execute("SELECT 1 FROM vectors LIMIT 1").fetchone() is None:
                connection.execute("COMMIT")
            else:
                connection.execute("ROLLBACK")
        needed = n_vectors * (4 * (dim or UNKNOWN_DIM) + 100)
        room = _room(Path(os.path.realpath(self._path)))
        if room < needed:
            raise EmbeddingCacheError(
                f"{self._path}: expected room for {n_vectors:,} vectors, about {needed:,} bytes, "
                f"got {room:,}; make room on its disk, or {ELSEWHERE}"
            )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that may write to the table; without a commit it is taken back."""
        with self._connected(makes_folders=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            if not _checked_schema(self._path, connection):  # another process may have made it
                connection.execute(TABLE)
            yield connection

    @contextmanager
    def _connected(self, *, makes_folders: bool = False) -> Iterator[sqlite3.Connection]:
        path = str(self._path)
        with _failing_well(path):
            if os.path.islink(path):
                path = os.path.realpath(path)
            for part in (str(self._path), *(path + suffix for suffix in SIBLINGS)):
                check_regular(part, error=EmbeddingCacheError)  # SQLite would wait for a pipe
            if makes_folders:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
            try:
                yield connection
            finally:
                connection.close()


@lru_cache(maxsize=64)
def _has_table(path: Path, state: tuple[int, ...]) -> bool:
    """Return whether the file in this state has the table; only the first call opens it."""
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as connection:
        return _checked_schema(path, connection)


def _checked_schema(path: Path, connection: sqlite3.Connection) -> bool:
    """Return whether the database has the table.

    Raises:
        EmbeddingCacheError: If it belongs to another program, or to a newer version of this one.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    objects = dict(connection.execute(OBJECTS).fetchall())
    is_ours = not objects or objects.get(TABLE) == "table"
    if version != 0 or not is_ours or "trigger" in objects.values():
        raise EmbeddingCacheError(
            f"{path}: expected a cache of embeddings, got a database of another program or of a "
            f"newer version; {ELSEWHERE}, or upgrade llama-index-finetune-plugin"
        )
    return bool(objects)


@contextmanager
def _failing_well(path: str) -> Iterator[None]:
    try:
        yield
    except EmbeddingCacheError:
        raise
    except UnicodeDecodeError as exc:  # the database says an encoding that is not its own
        raise EmbeddingCacheError(f"{path}: {exc}; it is damaged: {DELETABLE}") from exc
    except (sqlite3.Error, OSError) as exc:
        code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN) & 0xFF
        raise EmbeddingCacheError(f"{path}: {exc}; {REMEDIES.get(code, DELETABLE)}") from exc


def _look_up(connection: sqlite3.Connection, keys: Sequence[bytes]) -> StoredRows:
    """Return the rows of the keys, which are distinct."""
    known: dict[bytes, Vectors] = {}
    n_rows = 0
    for start in range(0, len(keys), LOOKED_UP_AT_ONCE):
        asked = keys[start : start + LOOKED_UP_AT_ONCE]
        marks = ",".join("?" * len(asked))
        blob = f"CASE WHEN typeof(vector) = 'blob' AND length(vector) <= {LONGEST} THEN vector END"
        statement = f"SELECT key, {blob} FROM vectors WHERE key IN ({marks})"  # noqa: S608
        rows = connection.execute(statement, asked).fetchall()
        known |= _finite(rows)
        n_rows += len(rows)
    return StoredRows(known, n_rows - len(known))


def _finite(rows: Sequence[tuple[bytes, bytes | None]]) -> dict[bytes, Vectors]:
    """Return the rows that are vectors of finite numbers."""
    by_length: dict[int, dict[bytes, bytes]] = {}
    for key, blob in rows:
        if blob and len(blob) % 4 == 0:
            by_length.setdefault(len(blob), {})[key] = blob
    found: dict[bytes, Vectors] = {}
    for blobs in by_length.values():
        matrix = np.frombuffer(b"".join(blobs.values()), dtype="<f4").reshape(len(blobs), -1)
        finite = np.isfinite(matrix).all(axis=1)
        found |= {key: row for key, row, fine in zip(blobs, matrix, finite, strict=True) if fine}
    return found


def _room(path: Path) -> int:
    """Return by how many bytes the file may grow."""
    free = shutil.disk_usage(path.parent).free
    try:
        import resource
    except ImportError:  # pragma: no cover
        return free  # on Windows, which limits no size of files
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    unlimited = limit == resource.RLIM_INFINITY
    return free if unlimited else min(free, limit - path.stat().st_size)
