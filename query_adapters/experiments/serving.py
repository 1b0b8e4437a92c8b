"""Serve two systems of one experiment: the steps that both integrations' retrievers share."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from random import Random
from typing import Any, TypeVar

from query_adapters.errors import QueryAdaptersWarning
from query_adapters.experiments.arms import CHALLENGER, INCUMBENT, Arm, digest
from query_adapters.experiments.interleaving import interleave
from query_adapters.processes.forks import PerProcess
from query_adapters.processes.threads import SpareThreads
from query_adapters.providers.redaction import redacted

T = TypeVar("T")

EXPERIMENTS = "experiments"
"""Metadata key of a retrieved document: a mapping from the experiment's name to its arm or team."""

_THREADS = SpareThreads()
_DRAWS = PerProcess(Random)  # the system's numbers would let go of the interpreter for each list


class Challenge:
    """A challenger whose failures fail no request; the first one is a warning.

    Args:
        name: Name of the experiment.
        max_delay_s: The most seconds that a request waits for the challenger after the incumbent
            has answered; None for as long as it takes.

    Attributes:
        n_failed: Number of requests in which the challenger failed or was too late.

    Raises:
        ValueError: If the name is empty, or `max_delay_s` is negative.
    """

    def __init__(self, name: str, *, max_delay_s: float | None = None) -> None:
        if not name:
            raise ValueError("experiment: expected a name, got none; such as 'adapter-v2'")
        if max_delay_s is not None and not max_delay_s >= 0:
            raise ValueError(f"max_delay_s: expected 0 or more seconds, got {max_delay_s}")
        self.name, self.max_delay_s = name, max_delay_s
        self.n_failed = 0
        self._warned = False

    def beside(self, incumbent: Callable[[], T], challenger: Callable[[], T]) -> tuple[T, T | None]:
        """Return what both return; the challenger runs in a thread, None if it fails."""
        other = self.instead(lambda: _THREADS.start(partial(copy_context().run, challenger)))
        own = incumbent()
        if other is None:
            return own, None
        return own, self.instead(partial(other.result, self.max_delay_s))

    async def abeside(
        self, incumbent: Awaitable[T], challenger: Awaitable[T]
    ) -> tuple[T, T | None]:
        """Return what both return, awaited at the same time; None for a failing challenger."""
        other = asyncio.ensure_future(self.ainstead(challenger))
        try:
            own = await incumbent
            if not other.done():
                await asyncio.wait([other], timeout=self.max_delay_s)
            return own, self._answer(other)
        finally:
            other.cancel()

    def served(
        self, arm: Arm | None, incumbent: Callable[[], T], challenger: Callable[[], T]
    ) -> tuple[T, Arm | None]:
        """Return what the arm's system returns, with the arm; None after the challenger failed."""
        found = self.instead(challenger) if arm == CHALLENGER else None
        if found is not None:
            return found, arm
        return incumbent(), None if arm == CHALLENGER else arm

    async def aserved(
        self,
        arm: Arm | None,
        incumbent: Callable[[], Awaitable[T]],
        challenger: Callable[[], Awaitable[T]],
    ) -> tuple[T, Arm | None]:
        """Return the same, asynchronously."""
        found = await self.ainstead(challenger()) if arm == CHALLENGER else None
        if found is not None:
            return found, arm
        return await incumbent(), None if arm == CHALLENGER else arm

    def joined(
        self,
        own: Sequence[tuple[str, T]],
        other: Sequence[tuple[str, T]],
        k: int,
        *,
        question: str,
        session: str | None,
    ) -> list[tuple[T, Arm | None]]:
        """Return at most `k` documents of both lists with their teams, best first.

        Args:
            own: The incumbent's documents with their ids, best first.
            other: The challenger's.
            k: The most documents.
            question: The question; the coins depend on it.
            session: Who asks; without one, the coins are drawn anew.
        """
        who = session or f"{_DRAWS.get().getrandbits(128):032x}"
        seed = digest(self.name, who, question, n_bytes=16).hex()
        drafted = interleave([key for key, _ in own], [key for key, _ in other], k, seed=seed)
        documents = {INCUMBENT: dict(reversed(own)), CHALLENGER: dict(reversed(other))}
        return [(documents[team or INCUMBENT][key], team) for key, team in drafted.teams.items()]

    def instead(self, challenger: Callable[[], T]) -> T | None:
        """Return what the challenger returns, None if it fails."""
        try:
            return challenger()
        except Exception as error:
            self._note(error)
            return None

    async def ainstead(self, challenger: Awaitable[T]) -> T | None:
        """Return what the challenger returns, None if it fails."""
        try:
            return await challenger
        except Exception as error:
            self._note(error)
            return None

    def _answer(self, task: "asyncio.Future[T | None]") -> T | None:
        """Return the result of a task that has been waited for; None if it is not there."""
        if task.done() and not task.cancelled():
            return task.result()
        self._note(TimeoutError(f"no answer within {self.max_delay_s} s of the incumbent's"))
        return None

    def _note(self, error: Exception) -> None:
        self.n_failed += 1
        if not self._warned:
            self._warned = True
            said = ": ".join(filter(None, (type(error).__name__, redacted(str(error)))))
            warnings.warn(
                f"the challenger of experiment {self.name!r} failed ({said}); the incumbent "
                "serves these requests, which count for neither; n_failed counts them",
                QueryAdaptersWarning,
                stacklevel=4,
            )


def marked(metadata: Mapping[str, Any], name: str, arm: Arm | None) -> dict[str, Any]:
    """Return a copy of the metadata with the document's arm or team in this experiment."""
    return {**metadata, EXPERIMENTS: {**metadata.get(EXPERIMENTS, {}), name: arm}}


def teams_in(
    documents: Iterable[tuple[str, Mapping[str, Any]]], name: str
) -> dict[str, Arm | None]:
    """Return the teams of documents by id, without those that are not of this experiment.

    Args:
        documents: Id and metadata of each.
        name: Name of the experiment.
    """
    marks = {key: metadata.get(EXPERIMENTS, {}) for key, metadata in documents}
    return {key: mark[name] for key, mark in marks.items() if name in mark}
