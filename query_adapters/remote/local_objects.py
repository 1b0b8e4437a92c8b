"""Objects in a local folder, or in a mounted one."""

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from query_adapters.errors import RegistryError
from query_adapters.files.reading import STREAM_BYTES, read_bytes
from query_adapters.remote.ids import new_id
from query_adapters.remote.objects import Objects, reaching

TEMPORARY = ".tmp"
ATTEMPTS = 3  # to create a file whose folder another process removes meanwhile
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class LocalObjects(Objects):
    """Objects as files of a local folder, or of a mounted one."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root.expanduser()))
        self.url = self.root.as_uri()

    def create(self, key: str, content: bytes) -> None:
        """Write a temporary file and link it under its name, which fails if that exists."""
        with reaching(self.url):
            temporary = self._written(content)
            try:
                self._link(temporary, self.root / key)
            finally:
                temporary.unlink(missing_ok=True)

    def read(self, keys: Sequence[str]) -> list[bytes]:
        """Return the content of the files."""
        with reaching(self.url):
            return [
                read_bytes(self.root / key, error=RegistryError, limit=STREAM_BYTES) for key in keys
            ]

    def keys(self, folder: str) -> list[str]:
        """Return the sorted paths of all files below the folder, relative to the root."""
        with reaching(self.url):
            found = os.walk(self.root / folder, onerror=_unless_missing)
            paths = (Path(place, name) for place, _, names in found for name in names)
            return sorted(path.relative_to(self.root).as_posix() for path in paths)

    def folders(self, folder: str) -> list[str]:
        """Return the sorted names of the folders in the folder."""
        with (
            reaching(self.url),
            suppress(FileNotFoundError),
            os.scandir(self.root / folder) as all_,
        ):
            return sorted(entry.name for entry in all_ if entry.is_dir())
        return []

    def remove(self, key: str) -> None:
        """Remove a file, or a folder with what is in it."""
        path = self.root / key
        with reaching(self.url), suppress(FileNotFoundError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _written(self, content: bytes) -> Path:
        folder = self.root / TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / new_id()
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return path

    def _link(self, temporary: Path, path: Path) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return os.link(temporary, path)
            except FileNotFoundError:
                if attempt == ATTEMPTS:
                    raise
            except OSError as exc:
                if exc.errno in NO_LINKS:
                    raise RegistryError(
                        f"{self.url}: expected a file system with hard links, got {exc.strerror}; "
                        "use another folder or an object store"
                    ) from exc
                raise


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
