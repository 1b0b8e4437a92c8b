"""What a registry stores: manifests of versions and moves of aliases, as JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from query_adapters.errors import RegistryError
from query_adapters.files.json_reading import parse_json
from query_adapters.files.json_types import check_not_newer, is_count
from query_adapters.files.reading import decoded
from query_adapters.remote.ids import UPLOAD, VERSION, second_of
from query_adapters.text.shown import visible

FORMAT_VERSION = 1
SHOWN = 12  # digits of a version in messages and tables
OPTIONAL_TEXT = (str, type(None))


@dataclass(frozen=True, kw_only=True)
class AdapterVersion:
    """One version of an adapter in a registry.

    Attributes:
        name: The adapter's name.
        version: SHA-256 over names and contents of its files, 64 hexadecimal digits.
        pushed: When it was pushed, ISO 8601, UTC.
        by: Who pushed it.
        aliases: The aliases that name it now.
        facts: Kind, base model and dimensions of the adapter.
    """

    name: str
    version: str
    pushed: str
    by: str
    aliases: tuple[str, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One upload of a version; it is written last, so that the version is whole if it exists.

    Attributes:
        version: SHA-256 over names and contents of the files, 64 hexadecimal digits.
        upload: Id of the upload, which starts with its time.
        files: SHA-256 of each file by its path in the folder, with `/`.
        by: Who pushed it.
        facts: What is known of the adapter: kind, base model, dimensions.
    """

    version: str
    upload: str
    files: Mapping[str, str]
    by: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def described(self, name: str, aliases: Mapping[str, str]) -> AdapterVersion:
        """Return the version for the adapter's name and the versions that its aliases name."""
        return AdapterVersion(
            name=name,
            version=self.version,
            pushed=second_of(self.upload),
            by=self.by,
            aliases=tuple(sorted(alias for alias in aliases if aliases[alias] == self.version)),
            facts=self.facts,
        )


@dataclass(frozen=True, kw_only=True)
class Move:
    """One move of an alias; the newest one says what the alias names.

    Attributes:
        name: The adapter's name.
        alias: The alias.
        number: Number of the move, from 1.
        version: The version that the alias names from then on; None if the alias was removed.
        previous: The version that it named before; None if there was none.
        action: "promote", "rollback" or "remove".
        reason: Why, in the words of who moved it.
        by: Who moved it.
        at: When, ISO 8601, UTC.
        id: Identifies the move.
    """

    name: str
    alias: str
    number: int
    version: str | None
    previous: str | None
    action: str
    reason: str
    by: str
    at: str
    id: str


TYPES: dict[str, tuple[type, ...]] = {
    "version": OPTIONAL_TEXT, "previous": OPTIONAL_TEXT, "number": (int,), "files": (dict,),
    "facts": (dict,),
}  # fmt: skip
"""Types of fields that are no texts."""


def version_of(files: Mapping[str, str]) -> str:
    """Return the version of a folder: SHA-256 of its lines `<sha256>  <path>`, sorted by path."""
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}


def to_json(record: Manifest | Move) -> bytes:
    """Return the record with the version of its format."""
    fields = {"format_version": FORMAT_VERSION, **asdict(record)}
    return (visible(json.dumps(fields, ensure_ascii=False, indent=1)) + "\n").encode()


def manifest_from(content: bytes, place: str) -> Manifest:
    """Return the manifest.

    Raises:
        RegistryError: If it is of a newer format, damaged, or names files outside its folder.
    """
    found = Manifest(**_fields(content, place, Manifest))
    paths = all(
        is_inside(path) and VERSION.fullmatch(str(one)) for path, one in found.files.items()
    )
    if not (paths and UPLOAD.fullmatch(found.upload) and version_of(found.files) == found.version):
        raise RegistryError(f"{place}: expected a manifest whose hashes fit together; push again")
    return found


def move_from(content: bytes, place: str) -> Move:
    """Return the move.

    Raises:
        RegistryError: If it is of a newer format or damaged.
    """
    found = Move(**_fields(content, place, Move))
    if not is_count(found.number) or not VERSION.fullmatch(found.version or "0" * 64):
        raise RegistryError(f"{place}: expected a move from 1 to a version, got {found!r}")
    return found


def checked_format(record: Any, place: str) -> None:
    """Check that this release can read the record.

    Raises:
        RegistryError: If it has no format version, or a newer one.
    """
    version = record.get("format_version") if isinstance(record, dict) else None
    if not is_count(version):
        raise RegistryError(f"{place}: expected a format version from 1, got {version!r}")
    check_not_newer(version, FORMAT_VERSION, place, error=RegistryError)


def is_inside(path: str) -> bool:
    """Return whether the path is a plain one below its folder, on every system."""
    parts = PurePosixPath(path).parts
    plain = not any(character in path for character in '\\:*?"<>|\0')
    return plain and "/".join(parts) == path and ".." not in parts and not path.startswith("/")


def _fields(content: bytes, place: str, kind: type) -> dict[str, Any]:
    """Return the fields of a record of this kind; others, of later releases, are left out."""
    text = decoded(content, place, error=RegistryError)
    record = parse_json(text, place, error=RegistryError, unique=True)
    checked_format(record, place)
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    odd = [name for name in names if not isinstance(record.get(name, ...), TYPES.get(name, (str,)))]
    if odd:
        raise RegistryError(f"{place}: expected a record with {', '.join(odd)}; it is damaged")
    return {name: record[name] for name in names}
