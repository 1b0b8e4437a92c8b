"""A registry of adapters: what is pushed is checked to be one."""

import os
from pathlib import Path

from query_adapters.adapters.storage import SavedAdapter, read_adapter
from query_adapters.errors import AdapterFileError
from query_adapters.processes.locks import reading
from query_adapters.remote.adapter_files import adapter_files
from query_adapters.remote.locations import is_uri, local_folder
from query_adapters.remote.registry import FolderRegistry


class AdapterRegistry(FolderRegistry):
    """Versions of adapters and the aliases that name them, in a folder or an object store.

    A version is named by the hash of its files and never changes. An alias, such as `production`,
    names one version; its moves are numbered, and two processes cannot make the same move. Any
    number of processes may use one registry, and one that dies leaves nothing half done.

    Args:
        url: A folder, or a URL of fsspec such as `s3://bucket/registry`.
        storage_options: Arguments of the file system of fsspec; other processes, such as one that
            resolves a `registry://` URI, take theirs from the environment.

    Raises:
        MissingExtraError: If it is no local folder and the extra `registry` is not installed.
        RegistryError: If the URL is of a kind whose writes cannot be exclusive.
    """

    def push(self, folder: str | Path, name: str, *, by: str | None = None) -> str:
        """Store an adapter's folder, and return its version, 64 hexadecimal digits.

        The adapter's own files are stored, its lexical index included; caches and journals beside
        them are not. A folder that was pushed before has the same version.

        Args:
            folder: The adapter's folder, or a URI of one.
            name: The adapter's name: lower-case letters, digits, `.`, `_` and `-`.
            by: Who pushes it; user and host if left out.

        Raises:
            FileNotFoundError: If there is no such folder.
            AdapterFileError: If it does not hold a complete adapter.
            RegistryError: If the registry cannot be read or written.
        """
        local = local_folder(folder)
        if not os.path.isdir(local):
            raise FileNotFoundError(f"no adapter folder at {folder}; train one first")
        with reading(local) as undisturbed:
            saved = read_adapter(local)
            contents = adapter_files(local)
        if not undisturbed and not is_uri(folder):
            raise AdapterFileError(
                f"{folder}: expected a folder that nobody writes, but another process has it open; "
                "push it again"
            )
        return self._push(contents, name, _facts(saved), by)


def _facts(saved: SavedAdapter) -> dict[str, object]:
    adapter = saved.adapter
    return {
        "kind": adapter.kind,
        "base_model": saved.record.base_model,
        "dim_in": adapter.dim_in,
        "dim_out": adapter.dim_out,
        "keeps_base": adapter.is_identity,
        "created": saved.record.created or None,
    }
