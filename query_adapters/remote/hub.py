"""Repositories on the Hugging Face Hub that hold an adapter's folder: `hf://user/repository`."""

import re
from dataclasses import dataclass
from pathlib import Path

from query_adapters._extras import require_extra
from query_adapters.errors import RegistryError
from query_adapters.remote.adapter_files import FOLDERS, NAMES
from query_adapters.remote.objects import reaching

ON_HUB = re.compile(r"hf://([^/@]+/[^/@]+)(?:@([^/@]+))?")


@dataclass(frozen=True)
class HubRepository:
    """A repository on the Hub.

    Attributes:
        name: User and repository.
        revision: A branch, tag or commit; None for the main branch.
    """

    name: str
    revision: str | None

    @classmethod
    def at(cls, uri: str) -> "HubRepository":
        """Return what the URI names.

        Raises:
            ValueError: If it is not complete.
            MissingExtraError: If the extra `hub` is not installed.
        """
        found = ON_HUB.fullmatch(uri)
        if found is None:
            raise ValueError(f"expected hf://<user>/<repository>@<revision>, got {uri[:200]!r}")
        require_extra("hub")
        return cls(found[1], found[2])

    def version(self) -> str:
        """Return the commit that it names now, whose files are downloaded.

        Raises:
            RegistryError: If the Hub refuses, or has no such repository, or cannot be reached while
                its cache has no such commit.
        """
        return self._snapshot(self.revision, is_here=False).name

    def folder(self, version: str) -> Path:
        """Return the folder of a commit that `version` has returned, in the Hub's own cache."""
        return self._snapshot(version, is_here=True)

    def _snapshot(self, revision: str | None, *, is_here: bool) -> Path:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        patterns = [*NAMES, *(f"{folder}/*" for folder in FOLDERS)]
        uri = f"hf://{self.name}@{revision or 'main'}"
        try:
            with reaching(uri):
                folder = snapshot_download(
                    self.name, revision=revision, allow_patterns=patterns, local_files_only=is_here
                )
        except LocalEntryNotFoundError as exc:  # a FileNotFoundError, though the Hub may have it
            raise RegistryError(
                f"{uri}: expected the Hub to answer, or its cache to hold the files, got neither; "
                "check the name and the network"
            ) from exc
        if not Path(folder).is_dir():
            raise RegistryError(f"{uri}: expected a downloaded folder, got none")
        return Path(folder)
