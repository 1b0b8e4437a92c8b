"""A registry of adapter folders: versions by content, aliases, and the history of both.

    registry.json                     says that it is one, and in which format
    adapters/<name>/…                 see `versions` and `aliases`

A release that finds a newer format refuses the registry.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from types import EllipsisType
from typing import Any

from query_adapters.errors import RegistryError
from query_adapters.files.json_reading import parse_json
from query_adapters.files.reading import decoded
from query_adapters.providers.redaction import without_credentials
from query_adapters.remote.aliases import Aliases, earlier, moved
from query_adapters.remote.ids import PREFIX, checked_name, someone
from query_adapters.remote.local_objects import TEMPORARY
from query_adapters.remote.records import (
    FORMAT_VERSION,
    SHOWN,
    AdapterVersion,
    Move,
    checked_format,
)
from query_adapters.remote.remote_objects import objects_at
from query_adapters.remote.sweeping import Sweep, mark, sweep, sweep_temporary
from query_adapters.remote.versions import ADAPTERS, Versions

MARKER = "registry.json"
PRODUCTION = "production"
GRACE = timedelta(days=7)
KEPT_MOVES = 10


class FolderRegistry:
    """Versions of folders and their aliases, in a local folder or an object store.

    Args:
        url: A folder, or a URL of fsspec such as `s3://bucket/registry`.
        storage_options: Arguments of the file system of fsspec; other processes, such as one that
            resolves a `registry://` URI, take theirs from the environment.
    """

    def __init__(
        self, url: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None
    ) -> None:
        self._objects = objects_at(url, storage_options or {})
        self._is_checked = False

    @property
    def url(self) -> str:
        """Where the registry is, as a URL without credentials."""
        return self._objects.url

    def uri(self, name: str, reference: str = PRODUCTION) -> str:
        """Return the URI of a version or an alias, which works wherever a folder is read."""
        return f"registry+{self.url}/{name}@{reference}"

    def names(self) -> tuple[str, ...]:
        """Return the names of all adapters, sorted."""
        self._check()
        return tuple(self._objects.folders(ADAPTERS))

    def versions(self, name: str) -> tuple[AdapterVersion, ...]:
        """Return the versions of an adapter, oldest push first."""
        named = self.aliases(name)
        return tuple(one.described(name, named) for one in self._versions(name).manifests())

    def aliases(self, name: str) -> dict[str, str]:
        """Return the version that each alias of an adapter names."""
        heads = self._aliases(name).heads()
        return {alias: head.version for alias, head in heads.items() if head.version is not None}

    def resolve(self, name: str, reference: str) -> str:
        """Return the version that an alias names, or that starts with these digits (8 or more).

        Raises:
            FileNotFoundError: If there is none.
            RegistryError: If the registry cannot be read.
        """
        if PREFIX.fullmatch(reference):
            return self._versions(name).full(reference)
        return self._aliases(name).named(reference)

    def files(self, name: str, version: str) -> dict[str, bytes]:
        """Return the contents of a version's files by path, checked against its hash.

        Raises:
            FileNotFoundError: If there is no such version.
            RegistryError: If the registry cannot be read, or the files are damaged.
        """
        return self._versions(name).files(version)

    def promote(
        self,
        name: str,
        version: str,
        *,
        alias: str = PRODUCTION,
        reason: str = "",
        by: str | None = None,
        expected: str | EllipsisType | None = ...,
    ) -> Move:
        """Move an alias to a version, and return the move.

        Args:
            name: The adapter's name.
            version: The version, or its first 8 digits or more, or an alias that names it.
            alias: The alias to move.
            reason: Why, for the history.
            by: Who; user and host if left out.
            expected: The version that the alias must name now, None for nothing; without it, only
                moves while this call runs are noticed.

        Raises:
            AliasMovedError: If another process has moved the alias first.
            FileNotFoundError: If there is no such version.
            RegistryError: If the registry cannot be read or written.
        """
        log = self._aliases(name)
        head = log.head(alias)
        current = None if head is None else head.version
        if expected is not ... and expected != current and head is not None:
            raise moved(head)
        if expected is not ... and expected != current:
            raise RegistryError(f"{name!r}: expected {alias!r} at {expected}, got no such alias")
        start = version if PREFIX.fullmatch(version) else log.named(version)
        full = self._versions(name).full(start)
        return log.move(alias, full, head=head, action="promote", **_told(reason, by))

    def rollback(
        self, name: str, *, alias: str = PRODUCTION, reason: str = "", by: str | None = None
    ) -> Move:
        """Move an alias back to the version that it named before, and return the move.

        A second rollback goes one version further back. Arguments and errors as in `promote`.
        """
        log = self._aliases(name)
        moves = log.moves(alias)
        full = earlier(moves, self._versions(name).live())
        return log.move(alias, full, head=moves[-1], action="rollback", **_told(reason, by))

    def remove_alias(
        self, name: str, *, alias: str, reason: str = "", by: str | None = None
    ) -> Move:
        """Let an alias name nothing, and return the move; its history stays.

        Arguments and errors as in `promote`.
        """
        self.resolve(name, alias)
        log = self._aliases(name)
        head = log.head(alias)
        return log.move(alias, None, head=head, action="remove", **_told(reason, by))

    def delete(self, name: str, version: str) -> str:
        """Hide a version, and return it; `gc` removes its files after the grace time.

        Raises:
            RegistryError: If an alias names it.
            FileNotFoundError: If there is no such version.
        """
        versions = self._versions(name)
        full = versions.full(version)
        named = [alias for alias, one in self.aliases(name).items() if one == full]
        if named:
            raise RegistryError(
                f"{name!r}: expected a version that no alias names, but {full[:SHOWN]} is "
                f"{' and '.join(named)}; move the alias first"
            )
        for upload in versions.uploads():
            if upload.version == full:
                mark(versions, upload)
        return full

    def gc(self, *, grace: timedelta = GRACE, keep: int = KEPT_MOVES) -> Sweep:
        """Remove half-written pushes, and in two steps the versions that nobody names.

        A version that no alias has named in its last `keep` moves is marked once it is older than
        the grace time, and removed by a call that comes at least the grace time after that.

        Args:
            grace: Longer than any push, promotion or load can take.
            keep: Moves of each alias, from 1, whose versions are kept, so that they can be rolled
                back.

        Raises:
            ValueError: If `keep` is below 1 or the grace time is negative.
        """
        if keep < 1 or grace < timedelta(0):
            raise ValueError(f"expected keep from 1 and a grace time from 0, got {keep}, {grace}")
        names = self.names()
        sweep_temporary(self._objects, TEMPORARY, grace)
        swept = (sweep(self._objects, name, grace=grace, keep=keep) for name in names)
        return sum(swept, start=Sweep())

    def history(self, name: str, *, alias: str | None = None) -> tuple[Move, ...]:
        """Return the moves of an alias, or of all aliases of an adapter, oldest first."""
        return tuple(self._aliases(name).moves(alias))

    def _push(
        self, contents: Mapping[str, bytes], name: str, facts: Mapping[str, Any], by: str | None
    ) -> str:
        self._check(create=True)
        who = without_credentials(by or someone())
        return Versions(self._objects, checked_name(name)).push(contents, facts, who)

    def _versions(self, name: str) -> Versions:
        self._check()
        return Versions(self._objects, checked_name(name))

    def _aliases(self, name: str) -> Aliases:
        self._check()
        return Aliases(self._objects, checked_name(name))

    def _check(self, *, create: bool = False) -> None:
        """Check that there is a registry in a format that this release can read."""
        if self._is_checked:
            return
        place = f"{self.url}/{MARKER}"
        if create:
            self._create_marker()
        try:
            (content,) = self._objects.read([MARKER])
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{self.url}: expected a registry of adapters, found no {MARKER}; push an adapter "
                "to it, or correct the address"
            ) from None
        text = decoded(content, place, error=RegistryError)
        checked_format(parse_json(text, place, error=RegistryError), place)
        self._is_checked = True

    def _create_marker(self) -> None:
        with suppress(FileExistsError):
            content = json.dumps({"format_version": FORMAT_VERSION}).encode()
            self._objects.create(MARKER, content)


def _told(reason: str, by: str | None) -> dict[str, str]:
    """Return what the history says, without credentials."""
    return {"reason": without_credentials(reason), "by": without_credentials(by or someone())}
