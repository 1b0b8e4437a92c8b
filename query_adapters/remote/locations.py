"""URIs of adapter folders, wherever a folder is accepted.

    registry://faq@production                      in the registry of QUERY_ADAPTERS_REGISTRY
    registry://faq@3f5a9c01                        a version, by its first 8 digits or more
    registry+s3://bucket/registry/faq@production   in the registry at s3://bucket/registry
    hf://user/repository@revision                  on the Hugging Face Hub

A path stays what it is, and needs nothing of the registry, which is imported with the first URI.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from query_adapters._extras import require_extra
from query_adapters.errors import RegistryError
from query_adapters.remote.adapter_files import FOLDERS, NAMES
from query_adapters.remote.objects import reaching

VARIABLE = "QUERY_ADAPTERS_REGISTRY"
URI = re.compile(r"(registry|registry\+[a-z0-9]+|hf)://")
IN_REGISTRY = re.compile(r"(?:([a-z0-9]+://.*)/|)([^/@]+)@([^/@]+)")
ON_HUB = re.compile(r"hf://([^/@]+/[^/@]+)(?:@([^/@]+))?")


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
        MissingExtraError: If the extra `registry` or `hub` is needed and not installed.
    """
    if not is_uri(location):
        return Path(location)
    if str(location).startswith("hf://"):
        return _from_hub(str(location))
    reference = parsed(str(location))
    return reference.folder(reference.version())


def folder_to_write(location: str | Path) -> Path | None:
    """Return the folder of a path, None for a URI, whose folder nobody may write."""
    return None if is_uri(location) else Path(location)


def revision_of(location: str | Path) -> str:
    """Return a text that changes when the content of a path or a URI may have changed.

    Raises:
        FileNotFoundError: If there is no such folder, version or alias.
        RegistryError: If a registry or the Hub cannot be reached or read.
    """
    if not is_uri(location):
        found = (Path(location) / NAMES[0]).stat()
        return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"
    if str(location).startswith("hf://"):
        return _from_hub(str(location)).name
    return parsed(str(location)).version()


def folder_at(location: str | Path, revision: str) -> Path:
    """Return the folder of a revision that `revision_of` has returned; errors as there."""
    if is_uri(location) and not str(location).startswith("hf://"):
        return parsed(str(location)).folder(revision)
    return local_folder(location)


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


def _from_hub(uri: str) -> Path:
    """Return the folder of a repository's adapter in the Hub's own cache."""
    found = ON_HUB.fullmatch(uri)
    if found is None:
        raise ValueError(f"expected hf://<user>/<repository>@<revision>, got {uri[:200]!r}")
    require_extra("hub")
    from huggingface_hub import snapshot_download

    patterns = [*NAMES, *(f"{folder}/*" for folder in FOLDERS)]
    with reaching(uri):
        folder = snapshot_download(found[1], revision=found[2], allow_patterns=patterns)
    if not Path(folder).is_dir():
        raise RegistryError(f"{uri}: expected a downloaded folder, got none")
    return Path(folder)
