"""Folders on this machine that hold versions of a registry, shared by all processes of a user.

A folder is named by the hash of its files, so it never goes out of date; it is checked at each use.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from query_adapters.errors import RegistryError
from query_adapters.remote.adapter_files import adapter_files
from query_adapters.remote.ids import new_id
from query_adapters.remote.records import digests, is_inside, version_of

VARIABLE = "QUERY_ADAPTERS_REGISTRY_CACHE"


def cache_folder() -> Path:
    """Return the folder of downloaded adapters; `QUERY_ADAPTERS_REGISTRY_CACHE` sets it."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "query-adapters" / "adapters"


def cached(version: str, fetch: Callable[[], Mapping[str, bytes]]) -> Path:
    """Return the folder with the files of the version; they are fetched if they are not there.

    Raises:
        RegistryError: If a file lies outside the folder.
    """
    folder = cache_folder() / version
    if not _holds(folder, version):
        _replace(folder, fetch())
    return folder


def _holds(folder: Path, version: str) -> bool:
    try:
        return version_of(digests(adapter_files(folder))) == version
    except OSError:
        return False


def _replace(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files beside the folder and rename; of two processes, the later one yields."""
    beside = folder.with_name(f".{new_id()}")
    try:
        for name, content in contents.items():
            if not is_inside(name):
                raise RegistryError(f"{name}: expected a path inside the adapter's folder")
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _rename(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _rename(beside: Path, folder: Path) -> None:
    try:
        beside.rename(folder)
    except OSError:  # another process was first, or the folder is damaged
        if _holds(folder, folder.name):
            return
        with suppress(FileNotFoundError):
            folder.rename(beside.with_name(f"{beside.name}-damaged"))
        beside.rename(folder)
        shutil.rmtree(beside.with_name(f"{beside.name}-damaged"), ignore_errors=True)
