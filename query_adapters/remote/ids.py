"""Names in a registry: ids that carry a time, versions, aliases, and who acts."""

import getpass
import re
import socket
from datetime import UTC, datetime, timedelta
from uuid import uuid4

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
VERSION = re.compile(r"[0-9a-f]{64}")
PREFIX = re.compile(r"[0-9a-f]{8,64}")  # the start of a version; no alias may look like one
UPLOAD = re.compile(r"(\d{8}T\d{12}Z)-[0-9a-f]{32}")
TIME = "%Y%m%dT%H%M%S%fZ"
NEVER = datetime.max.replace(tzinfo=UTC)


def new_id() -> str:
    """Return an id that no other process makes, and that starts with the time."""
    return f"{datetime.now(UTC):{TIME}}-{uuid4().hex}"


def made_at(one: str) -> datetime:
    """Return the time of an id; the far future for anything else, which is never old enough."""
    found = UPLOAD.fullmatch(one)
    try:
        return NEVER if found is None else datetime.strptime(found[1], TIME).replace(tzinfo=UTC)
    except ValueError:  # digits that are no time, such as those of a thirteenth month
        return NEVER


def is_old(one: str, grace: timedelta) -> bool:
    """Return whether the id was made at least `grace` ago."""
    return made_at(one) <= datetime.now(UTC) - grace


def second_of(one: str) -> str:
    """Return the time of an id to the second, ISO 8601, UTC."""
    return made_at(one).isoformat(timespec="seconds")


def checked_name(name: str, what: str = "name") -> str:
    """Return the name.

    Raises:
        ValueError: If it cannot be one on every store, or would be taken for a version.
    """
    if not NAME.fullmatch(name) or (what == "alias" and PREFIX.fullmatch(name)):
        raise ValueError(
            f"{what}: expected lower-case letters, digits, '.', '_' and '-', at most 100, starting "
            f"with a letter or digit{'' if what == 'name' else ' and unlike a version'}, got "
            f"{name[:200]!r}; rename it"
        )
    return name


def someone() -> str:
    """Return the user and the host of this process."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container without a user database
        return f"unknown@{socket.gethostname()}"
