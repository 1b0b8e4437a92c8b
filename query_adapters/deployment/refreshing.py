"""Keep an adapter that serves up to date with its folder or URI, in the background.

A thread of its own looks again and again, with jitter, and less often while it fails. No query
waits for it. It starts with the first query of a process, so that a server may load the model
before it forks; it ends when nothing serves the adapter any more.
"""

import logging
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import Any, Protocol, TypedDict

from query_adapters.adapters.serving import AdapterLike, check_fits
from query_adapters.adapters.storage import SavedAdapter, read_adapter
from query_adapters.errors import DimensionMismatchError, QueryAdaptersError, RegistryError
from query_adapters.processes.forks import ancestors
from query_adapters.providers.redaction import redacted
from query_adapters.remote.locations import folder_at, revision_of
from query_adapters.text.shown import message

logger = logging.getLogger(__name__)
JITTER = 0.1  # share of the time between two looks, so that many servers do not look at once
LONGEST_PAUSE = 900.0  # seconds between two looks at a store that fails, unless looks are rarer
MOST_DOUBLINGS = 20
_random = SystemRandom()  # forked processes would share the state of any other


class Wanted(TypedDict):
    """What an adapter must fit, as in `check_fits`."""

    model_name: str | None
    dim: int | None


class Looking(Protocol):
    """Something that looks from time to time."""

    def look(self) -> float:
        """Look once, and return the seconds to wait before the next look."""


class KnownAdapter:
    """An adapter and where it comes from.

    Args:
        location: Its folder or URI; None if it was given in memory.
        saved: The adapter; None for none.

    Attributes:
        newest: The newest adapter that was read there and fits.
    """

    def __init__(self, location: str | Path | None, saved: SavedAdapter | None) -> None:
        self.location, self.newest = location, saved
        self._revision: str | None = None  # of what was read or refused last

    def look(self, wanted: Wanted) -> None:
        """Read the adapter if it has changed; one that does not fit is refused, with a warning.

        Raises:
            Exception: Whatever the store raises.
        """
        if self.location is None:
            return
        revision = revision_of(self.location)
        if revision != self._revision:
            self._read(self.location, revision, wanted)
            self._revision = revision

    def _read(self, location: str | Path, revision: str, wanted: Wanted) -> None:
        try:
            saved = read_adapter(folder_at(location, revision))
            check_replacement(saved, self.newest, wanted)
        except RegistryError:
            raise
        except QueryAdaptersError as error:
            logger.warning("%s: %s; the one before it keeps serving", shown(location), said(error))
        else:
            self.newest = saved


class FollowedAdapter:
    """The adapter that a folder or a URI names, looked at by a thread of its own.

    Args:
        location: The folder or the URI.
        saved: Its adapter.
        refresh_s: Seconds between two looks.
        wanted: What a new adapter must fit; it must also map from and to as many dimensions.
    """

    def __init__(
        self, location: str | Path, saved: SavedAdapter, refresh_s: float, wanted: Wanted
    ) -> None:
        self.refresh_s, self.wanted = refresh_s, wanted
        self._known = KnownAdapter(location, saved)
        self._failures = 0
        self._started = Started()

    def __reduce__(self) -> tuple[Any, ...]:
        known = self._known
        return type(self), (known.location, known.newest, self.refresh_s, self.wanted)

    @property
    def saved(self) -> SavedAdapter | None:
        """The newest adapter; the first call in a process starts the thread."""
        if not self._started:
            self._started.start(self)
        return self._known.newest

    def look(self) -> float:
        """Read the adapter if it has changed, and return the seconds to wait."""
        try:
            self._known.look(self.wanted)
        except Exception as error:  # of any store; the adapter that serves stays
            if not self._failures:
                self._warn(error)
            self._failures += 1
        else:
            self._failures = 0
        return pause(self.refresh_s, self._failures)

    def _warn(self, error: Exception) -> None:
        logger.warning(
            "%s cannot be looked at (%s); the adapter that was read last keeps serving, and this "
            "is tried again",
            shown(self._known.location),
            said(error),
        )


class Started:
    """Whether the thread of a process runs; a forked process has none until it starts one."""

    def __init__(self) -> None:
        self._process: int | None = None
        self._starting: dict[int, object] = {}

    def __bool__(self) -> bool:
        return self._process == ancestors()

    def start(self, looking: Looking) -> None:
        """Start the thread that calls `look`, once a process; it keeps nothing alive."""
        token, process = object(), ancestors()
        if self._starting.setdefault(process, token) is not token:
            return  # another thread starts it
        self._process = process
        ended = threading.Event()
        reference = weakref.ref(looking, lambda _: ended.set())
        thread = threading.Thread(target=_keep_looking, args=(reference, ended), daemon=True)
        with suppress(RuntimeError):  # the process ends, or has too many; the query goes on
            thread.start()


def _keep_looking(reference: "weakref.ref[Looking]", ended: threading.Event) -> None:
    while (looking := reference()) is not None:
        seconds = looking.look()
        del looking
        if ended.wait(seconds):
            return


def pause(refresh_s: float, failures: int) -> float:
    """Return the seconds to the next look: twice as many after each failure, with jitter."""
    longest = max(LONGEST_PAUSE, refresh_s)
    seconds = min(refresh_s * 2.0 ** min(failures, MOST_DOUBLINGS), longest)
    return seconds * _random.uniform(1 - JITTER, 1 + JITTER)


def check_replacement(new: SavedAdapter, old: SavedAdapter | None, wanted: Wanted) -> None:
    """Check that the adapter can take the place of the other one.

    Raises:
        AdapterMismatchError: If it was trained on another model.
        DimensionMismatchError: If it maps from or to another number of dimensions.
    """
    check_fits(new, **wanted)
    if old is None:
        return
    new.adapter.check_dim(old.adapter.dim_in)
    if new.adapter.dim_out != old.adapter.dim_out:
        raise DimensionMismatchError(
            "adapted query vectors",
            expected=old.adapter.dim_out,
            actual=new.adapter.dim_out,
            remedy="train the adapter for the index that is searched",
        )


def checked_refresh(adapter: AdapterLike | None, refresh_s: float | None) -> AdapterLike | None:
    """Return the adapter.

    Raises:
        ValueError: If `refresh_s` is not above 0.
        TypeError: If there is nothing to look at, neither a folder nor a URI.
    """
    if checked_seconds(refresh_s) is None or isinstance(adapter, str | Path):
        return adapter
    given = "no adapter" if adapter is None else type(adapter).__name__
    raise TypeError(
        f"refresh_s: expected a folder or a URI to look at, got {given}; leave refresh_s out"
    )


def checked_seconds(refresh_s: float | None) -> float | None:
    """Return the seconds.

    Raises:
        ValueError: If they are not above 0.
    """
    if refresh_s is None or refresh_s > 0:
        return refresh_s
    raise ValueError(f"refresh_s: expected seconds above 0, got {refresh_s}")


def shown(location: str | Path | None) -> str:
    """Return a folder or URI for a log, without secrets."""
    return message(redacted(str(location)))


def said(error: Exception) -> str:
    """Return an error for a log, without secrets."""
    return message(redacted(f"{type(error).__name__}: {error}"))
