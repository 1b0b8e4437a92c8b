"""Remove what nobody names, in two steps, so that nothing in use is ever removed.

A version that is to go is marked first, which hides it from promotion. It is removed by a sweep
that runs at least the grace time later and still finds no alias that names it. A promotion that had
seen the version before it was marked has long been recorded by then.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from query_adapters.remote.aliases import Aliases
from query_adapters.remote.ids import is_old, new_id
from query_adapters.remote.objects import Objects
from query_adapters.remote.versions import Upload, Versions


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep has done.

    Attributes:
        marked: Pushes that the next sweep after the grace time removes.
        removed: Pushes whose files are gone.
        leftovers: Pushes that were never finished, whose files are gone.
    """

    marked: int = 0
    removed: int = 0
    leftovers: int = 0

    def __add__(self, other: "Sweep") -> "Sweep":
        """Return the sum."""
        return Sweep(
            marked=self.marked + other.marked,
            removed=self.removed + other.removed,
            leftovers=self.leftovers + other.leftovers,
        )


def mark(versions: Versions, upload: Upload) -> bool:
    """Mark an upload for removal; False if it is marked already."""
    try:
        versions.objects.create(versions.mark_key(upload), new_id().encode())
    except FileExistsError:
        return False
    return True


def sweep(objects: Objects, name: str, *, grace: timedelta, keep: int) -> Sweep:
    """Mark and remove what nobody names of one adapter.

    Args:
        objects: The registry's objects.
        name: The adapter's name.
        grace: Age from which something is marked, and time from mark to removal.
        keep: Moves of each alias whose versions are kept.
    """
    versions, log = Versions(objects, name), Aliases(objects, name)
    began = objects.folders(f"{versions.folder}/files")
    marks = _marks(versions)
    uploads = versions.uploads()
    # read last: a promotion that is not in it yet has seen its version without a mark
    moves = sorted(log.moves(last=keep), key=lambda move: move.number)
    kept = {move.version for move in moves}
    named = set({move.alias: move.version for move in moves}.values())
    serving = set(uploads) - set(_unneeded(uploads, named))
    for upload in marks.keys() & serving:
        objects.remove(versions.mark_key(upload))  # promoted while it was being marked
    unneeded = (one for one in _unneeded(uploads, kept) if one not in marks)
    marked = [one for one in unneeded if is_old(one.id, grace) and mark(versions, one)]
    marks |= _marks(versions) if marked and not grace else {}
    ripe = [one for one in marks if one not in serving and is_old(marks[one], grace)]
    for upload in ripe:
        _remove(versions, upload)
    whole = {upload.id for upload in [*versions.uploads(), *uploads]}
    left = [one for one in began if one not in whole and is_old(one, grace)]
    for one in left:
        objects.remove(f"{versions.folder}/files/{one}")
    return Sweep(marked=len(marked), removed=len(ripe), leftovers=len(left))


def sweep_temporary(objects: Objects, folder: str, grace: timedelta) -> None:
    """Remove files that a process has left when it died in the middle of a write."""
    for key in objects.keys(folder):
        if is_old(key.rpartition("/")[2], grace):
            objects.remove(key)


def _marks(versions: Versions) -> dict[Upload, str]:
    """Return the ids of the marks, which start with their times, by upload."""
    marked = versions.uploads("removed")
    ids: list[str] = []
    for upload in marked:
        try:
            ids.append(versions.objects.read([versions.mark_key(upload)])[0].decode("latin-1"))
        except FileNotFoundError:  # another sweep was faster
            ids.append("")
    return dict(zip(marked, ids, strict=True))


def _unneeded(uploads: list[Upload], named: set[str | None]) -> Iterator[Upload]:
    """Yield the uploads of versions that nobody names, and all but the newest of the others."""
    newest = {upload.version: upload for upload in uploads}
    for upload in uploads:
        if upload.version not in named or upload != newest[upload.version]:
            yield upload


def _remove(versions: Versions, upload: Upload) -> None:
    """Remove the manifest first, so that no part of a version is visible, and the mark last."""
    versions.objects.remove(versions.manifest_key(upload))
    versions.objects.remove(f"{versions.folder}/files/{upload.id}")
    versions.objects.remove(versions.mark_key(upload))
