"""URIs of adapter folders, wherever a folder is accepted.

    registry://faq@production                      in the registry of QUERY_ADAPTERS_REGISTRY
    registry://faq@3f5a9c01                        a version, by its first 8 digits or more
    registry+s3://bucket/registry/faq@production   in the registry at s3://bucket/registry
    hf://user/repository@revision                  on the Hugging Face Hub
    mlflow:/models:/faq@production                 in MLflow's registry of models
    mlflow:/models:/faq/3

A path stays what it is, and needs nothing of the registry, which is imported with the first URI.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from query_adapters.remote.adapter_files import WEIGHTS

VARIABLE = "QUERY_ADAPTERS_REGISTRY"
URI = re.compile(r"(registry|registry\+[a-z0-9]+|hf)://|mlflow:/")
IN_REGISTRY = re.compile(r"(?:([a-z0-9]+://.*)/|)([^/@]+)@([^/@]+)")


class Place(Protocol):
    """A place outside this machine that names one version of an adapter at a time."""

    def version(self) -> str:
        """Return the version that it names now."""

    def folder(self, version: str) -> Path:
        """Return a folder with the files of a version that `version` has returned."""


@dataclass(frozen=True)
class Reference:
    """A version or an alias in a registry.

    Attributes:
        url: The registry's URL.
        name: The adapter's name.
        reference: The version or the alias.
    """

    url: str
    name: str
    reference: str

    def version(self) -> str:
        """Return the version that it names now; errors as in `FolderRegistry.resolve`."""
        from query_adapters.remote.registry import FolderRegistry

        return FolderRegistry(self.url).resolve(self.name, self.reference)

    def folder(self, version: str) -> Path:
        """Return a folder with the files of the version; errors as in `FolderRegistry.files`."""
        from query_adapters.remote.cache import cached
        from query_adapters.remote.registry import FolderRegistry

        return cached(version, lambda: FolderRegistry(self.url).files(self.name, version))


def is_uri(location: str | Path) -> bool:
    """Return whether it is one of the URIs of this module, and not a path."""
    return isinstance(location, str) and URI.match(location) is not None


def local_folder(location: str | Path) -> Path:
    """Return the folder of a path or a URI; what lies elsewhere is downloaded first.

    Raises:
        ValueError: If it is a URI that is not complete.
        FileNotFoundError: If a registry has no such version or alias.
        RegistryError: If a registry or the Hub cannot be reached or read.
        AdapterFileError: If a model version in MLflow holds no adapter.
        MissingExtraError: If the extra `registry`, `hub` or `mlflow` is needed and not installed.
    """
    if not is_uri(location):
        return Path(location)
    place = _place(str(location))
    return place.folder(place.version())


def folder_to_write(location: str | Path) -> Path | None:
    """Return the folder of a path, None for a URI, whose folder nobody may write."""
    return None if is_uri(location) else Path(location)


def revision_of(location: str | Path) -> str:
    """Return a text that changes when the content of a path or a URI may have changed.

    Raises:
        FileNotFoundError: If there is no such folder, version or alias.
        RegistryError: If a registry or the Hub cannot be reached or read.
    """
    if is_uri(location):
        return _place(str(location)).version()
    found = (Path(location) / WEIGHTS).stat()
    return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"


def folder_at(location: str | Path, revision: str) -> Path:
    """Return the folder of a revision that `revision_of` has returned; errors as there."""
    return _place(str(location)).folder(revision) if is_uri(location) else Path(location)


def _place(uri: str) -> Place:
    """Return what a URI names; what leads elsewhere is imported with the first URI of its kind."""
    if uri.startswith("hf:"):
        from query_adapters.remote.hub import HubRepository

        return HubRepository.at(uri)
    if uri.startswith("mlflow:"):
        from query_adapters.remote.mlflow_models import MlflowModel

        return MlflowModel.at(uri)
    return parsed(uri)


def parsed(uri: str) -> Reference:
    """Return what a URI of a registry names.

    Raises:
        ValueError: If it is not complete, or names no registry while the environment has none.
    """
    rest = uri.removeprefix("registry://").removeprefix("registry+")
    found = IN_REGISTRY.fullmatch(rest)
    if found is None:
        raise ValueError(
            f"expected registry://<name>@<alias or version>, or registry+<URL>/<name>@<...>, got "
            f"{uri[:200]!r}; add what is missing, such as @production"
        )
    url = found[1] or os.environ.get(VARIABLE)
    if not url:
        raise ValueError(
            f"{uri[:200]}: expected the registry's URL in the environment variable {VARIABLE}, "
            "found none; set it, or write registry+<URL>/<name>@<alias>"
        )
    return Reference(url, found[2], found[3])
