"""Aliases of an adapter: each is a log of numbered moves, the last of which counts.

    adapters/<name>/aliases/<alias>/00000001.json

A move is created under the next number, which fails if another process was first: a
compare-and-swap with nothing but exclusive creation. Moves are never changed or removed, so the
log is the history.
"""

from collections.abc import Container

from query_adapters.errors import AliasMovedError, RegistryError
from query_adapters.remote.ids import checked_name, made_at, new_id, second_of
from query_adapters.remote.objects import Objects
from query_adapters.remote.records import SHOWN, Move, move_from, to_json
from query_adapters.remote.removed import AliasRemovedError
from query_adapters.remote.versions import ADAPTERS

DIGITS = 8


class Aliases:
    """The aliases of one adapter; arguments as in `Versions`."""

    def __init__(self, objects: Objects, name: str) -> None:
        self.objects, self.name = objects, name
        self.folder = f"{ADAPTERS}/{name}/aliases"

    def head(self, alias: str) -> Move | None:
        """Return the newest move of the alias; None if it has never been moved."""
        keys = self._keys(alias)
        return self._read(keys[-1:])[0] if keys else None

    def named(self, alias: str) -> str:
        """Return the version that the alias names.

        Raises:
            FileNotFoundError: If it has never named one.
            AliasRemovedError: If it names none any more.
        """
        head = self.head(alias)
        missing = f"{self.objects.url}: {self.name!r} has no alias {alias!r}"
        if head is None:
            raise FileNotFoundError(f"{missing}; promote a version to it")
        if head.version is None:
            raise AliasRemovedError(
                f"{missing} any more, {head.by} removed it at {head.at}; promote a version to it"
            )
        return head.version

    def heads(self) -> dict[str, Move]:
        """Return the newest move of each alias."""
        newest = {key.split("/")[-2]: key for key in self.objects.keys(self.folder)}
        return dict(zip(newest, self._read(list(newest.values())), strict=True))

    def moves(self, alias: str | None = None, *, last: int = 0) -> list[Move]:
        """Return the moves of an alias, or of all, oldest first.

        Args:
            alias: The alias; None for all.
            last: How many of each alias; 0 for all.
        """
        names = self.objects.folders(self.folder) if alias is None else [alias]
        keys = [key for name in names for key in self._keys(name)[-last:]]
        return sorted(self._read(keys), key=lambda move: (made_at(move.id), move.number))

    def move(
        self,
        alias: str,
        version: str | None,
        *,
        head: Move | None,
        action: str,
        reason: str,
        by: str,
    ) -> Move:
        """Move the alias on from `head`, and return the move.

        Raises:
            AliasMovedError: If another process has moved it since.
        """
        number, one = 1 if head is None else head.number + 1, new_id()
        move = Move(
            name=self.name,
            alias=checked_name(alias, "alias"),
            number=number,
            version=version,
            previous=None if head is None else head.version,
            action=action,
            reason=reason,
            by=by,
            at=second_of(one),
            id=one,
        )
        key = f"{self.folder}/{alias}/{number:0{DIGITS}}.json"
        try:
            self.objects.create(key, to_json(move))
        except FileExistsError:
            (other,) = self._read([key])
            if other.id != move.id:  # else this write, whose answer was lost, was sent twice
                raise moved(other) from None
        return move

    def _keys(self, alias: str) -> list[str]:
        return self.objects.keys(f"{self.folder}/{checked_name(alias, 'alias')}")

    def _read(self, keys: list[str]) -> list[Move]:
        pairs = zip(self.objects.read(keys), keys, strict=True)
        return [move_from(content, f"{self.objects.url}/{key}") for content, key in pairs]


def moved(other: Move) -> AliasMovedError:
    """Return the error about a move that came first."""
    to = "nothing" if other.version is None else other.version[:SHOWN]
    return AliasMovedError(
        f"{other.name!r}: expected {other.alias!r} where it was, but {other.by} moved it to {to} "
        f"at {other.at} ({other.reason or 'no reason given'}); look at the history, then move it "
        "again if that is still right"
    )


def earlier(moves: list[Move], live: Container[str]) -> str:
    """Return the version before the one that an alias names now, through earlier rollbacks.

    Args:
        moves: All moves of the alias, oldest first.
        live: The versions that are still there.

    Raises:
        RegistryError: If it has named no other version before.
    """
    stack: list[str | None] = []
    for move in moves:
        if move.action == "rollback" and move.version in stack:
            while stack[-1] != move.version:
                stack.pop()
        else:
            stack.append(move.version)
    current = moves[-1].version if moves else None
    before = [one for one in stack if one is not None and one != current and one in live]
    if not before:
        raise RegistryError(
            "rollback: expected an earlier version of the alias, found none; promote a version"
        )
    return before[-1]
