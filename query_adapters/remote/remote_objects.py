"""Objects in a store of fsspec, such as S3; and which kind of objects a URL means."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from query_adapters._extras import require_extra
from query_adapters.errors import RegistryError
from query_adapters.providers.redaction import without_credentials
from query_adapters.remote.local_objects import LocalObjects
from query_adapters.remote.objects import Objects, reaching

CONDITIONAL = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""Protocols of fsspec whose `pipe_file(mode="create")` is one conditional write. The default of
fsspec looks first and writes then, so that two processes could both succeed."""


def objects_at(url: str | os.PathLike[str], options: Mapping[str, Any]) -> Objects:
    """Return the objects at a local path, a `file://` URL, or a URL of fsspec.

    Raises:
        MissingExtraError: If it is no local path and fsspec is not installed.
        RegistryError: If the protocol has no exclusive writes.
    """
    text = os.fspath(url)
    protocol = urlsplit(text).scheme if "://" in text else "file"
    if protocol in ("file", "local"):
        return LocalObjects(_local_path(text))
    if protocol not in CONDITIONAL:
        raise RegistryError(
            f"{without_credentials(text)}: expected a local folder, or one of "
            f"{', '.join(CONDITIONAL)}, whose writes can be exclusive, got {protocol!r}; use one"
        )
    return RemoteObjects(text, options)


def _local_path(text: str) -> Path:
    if "://" not in text:
        return Path(text)
    from urllib.request import url2pathname  # loads an HTTP client

    return Path(url2pathname(urlsplit(text).path))


class RemoteObjects(Objects):
    """Objects of a store of fsspec.

    The file system is looked up for each call: fsspec keeps one a process, also after a fork.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        require_extra("registry")
        self._url, self._options = url.rstrip("/"), dict(options)
        self.url = without_credentials(self._url)

    def create(self, key: str, content: bytes) -> None:
        """Write the object under the condition that there is none."""
        with reaching(self.url):
            system, root = self._system()
            system.pipe_file(f"{root}/{key}", content, mode="create")

    def read(self, keys: Sequence[str]) -> list[bytes]:
        """Return the content of the objects, read side by side where the store can."""
        if not keys:
            return []
        with reaching(self.url):
            system, root = self._system()
            if len(keys) == 1:
                return [system.cat_file(f"{root}/{keys[0]}")]
            paths = [f"{root}/{key}" for key in keys]
            found = {path.lstrip("/"): content for path, content in system.cat(paths).items()}
            return [found[path.lstrip("/")] for path in paths]

    def keys(self, folder: str) -> list[str]:
        """Return the sorted keys of all objects below the folder."""
        with reaching(self.url), suppress(FileNotFoundError):
            system, root = self._system()
            return sorted(self._key(path, root) for path in system.find(f"{root}/{folder}"))
        return []

    def folders(self, folder: str) -> list[str]:
        """Return the sorted names of the folders in the folder."""
        with reaching(self.url), suppress(FileNotFoundError):
            system, root = self._system()
            entries = system.ls(f"{root}/{folder}", detail=True)
            names = (entry["name"] for entry in entries if entry["type"] == "directory")
            return sorted(name.rstrip("/").rpartition("/")[2] for name in names)
        return []

    def remove(self, key: str) -> None:
        """Remove an object, or all of a folder."""
        with reaching(self.url):
            system, root = self._system()
            for one in [key, *self.keys(key)]:
                with suppress(FileNotFoundError):
                    system.rm_file(f"{root}/{one}")

    def _system(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        system, root = url_to_fs(self._url, use_listings_cache=False, **self._options)
        return system, root.rstrip("/")

    @staticmethod
    def _key(path: str, root: str) -> str:
        return path.lstrip("/").removeprefix(f"{root.lstrip('/')}/")
