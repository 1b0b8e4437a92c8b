"""Versions of an adapter in a registry: pushed whole, named by the hash of their files.

    adapters/<name>/files/<upload>/<path>               the files of one push
    adapters/<name>/versions/<version>.<upload>.json    its manifest, written last
    adapters/<name>/removed/<version>.<upload>.json     marks it for removal

Each push has files of its own. So nothing is ever written where something may be removed, and a
version that is pushed again is whole whatever happens to the earlier push.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from query_adapters.errors import RegistryError
from query_adapters.remote.ids import made_at, new_id
from query_adapters.remote.objects import Objects
from query_adapters.remote.records import (
    SHOWN,
    Manifest,
    digests,
    manifest_from,
    to_json,
    version_of,
)

ADAPTERS = "adapters"


@dataclass(frozen=True, order=True)
class Upload:
    """The key of a manifest; the newest upload of a version sorts last.

    Attributes:
        version: The version.
        id: Id of the upload.
    """

    version: str
    id: str

    @property
    def file(self) -> str:
        """The name of its manifest, and of its mark."""
        return f"{self.version}.{self.id}.json"


class Versions:
    """The versions of one adapter.

    Args:
        objects: The registry's objects.
        name: The adapter's name.
    """

    def __init__(self, objects: Objects, name: str) -> None:
        self.objects, self.name = objects, name
        self.folder = f"{ADAPTERS}/{name}"

    def push(self, contents: Mapping[str, bytes], facts: Mapping[str, Any], by: str) -> str:
        """Store the files, then the manifest, and return the version."""
        files, upload = digests(contents), new_id()
        version = version_of(files)
        for path, content in contents.items():
            self.objects.create(f"{self.folder}/files/{upload}/{path}", content)
        manifest = Manifest(version=version, upload=upload, files=files, by=by, facts=facts)
        self.objects.create(self.manifest_key(Upload(version, upload)), to_json(manifest))
        return version

    def uploads(self, kind: str = "versions") -> list[Upload]:
        """Return the uploads that have a manifest, or with "removed" a mark, sorted."""
        keys = self.objects.keys(f"{self.folder}/{kind}")
        parts = (key.rpartition("/")[2].split(".") for key in keys)
        return sorted(Upload(found[0], found[1]) for found in parts if len(found) == 3)

    def live(self) -> dict[str, Upload]:
        """Return the newest upload of each version that is not marked for removal."""
        marked = set(self.uploads("removed"))
        return {one.version: one for one in self.uploads() if one not in marked}

    def full(self, start: str) -> str:
        """Return the version that starts with these digits.

        Raises:
            FileNotFoundError: If there is none.
            RegistryError: If there are several.
        """
        found = [version for version in self.live() if version.startswith(start)]
        if not found:
            raise FileNotFoundError(
                f"{self.objects.url}: {self.name!r} has no version {start}; push it, or list the "
                "versions"
            )
        if len(found) > 1:
            raise RegistryError(f"{self.name!r}: several versions start with {start}; give more")
        return found[0]

    def manifests(self) -> list[Manifest]:
        """Return the manifests of the versions that are not marked, oldest first."""
        uploads = sorted(self.live().values(), key=lambda one: made_at(one.id))
        keys = [self.manifest_key(one) for one in uploads]
        pairs = zip(self.objects.read(keys), keys, strict=True)
        return [manifest_from(content, f"{self.objects.url}/{key}") for content, key in pairs]

    def files(self, version: str) -> dict[str, bytes]:
        """Return the contents of the version's files, checked against its hash.

        Raises:
            FileNotFoundError: If there is no such version.
            RegistryError: If its files are damaged.
        """
        mine = [one for one in self.uploads() if one.version == version]
        while mine:
            upload = mine.pop()
            try:
                return self._files(upload)
            except FileNotFoundError:  # removed meanwhile; an earlier push may be there
                if not mine:
                    raise
        raise FileNotFoundError(f"{self.objects.url}: {self.name!r} has no version {version}")

    def manifest_key(self, upload: Upload) -> str:
        """Return the key of the upload's manifest."""
        return f"{self.folder}/versions/{upload.file}"

    def mark_key(self, upload: Upload) -> str:
        """Return the key of the upload's mark."""
        return f"{self.folder}/removed/{upload.file}"

    def _files(self, upload: Upload) -> dict[str, bytes]:
        key = self.manifest_key(upload)
        place = f"{self.objects.url}/{key}"
        manifest = manifest_from(self.objects.read([key])[0], place)
        paths = list(manifest.files)
        keys = [f"{self.folder}/files/{upload.id}/{path}" for path in paths]
        found = dict(zip(paths, self.objects.read(keys), strict=True))
        if (manifest.version, manifest.upload) != (upload.version, upload.id) or digests(
            found
        ) != manifest.files:
            raise RegistryError(
                f"{place}: expected files with the hashes of version {upload.version[:SHOWN]}, got "
                "others; the store is damaged: push the adapter again"
            )
        return found
