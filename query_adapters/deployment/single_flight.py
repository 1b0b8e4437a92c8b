"""Make a value once, however many threads ask for it at the same time."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

from query_adapters.processes.forks import PerProcess

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls that are under way, by key; a forked process has none of its parent's."""

    def __init__(self) -> None:
        self._flights: PerProcess[_Flights[T]] = PerProcess(_Flights)

    def do(self, key: str, known: Callable[[], T | None], make: Callable[[], T]) -> T:
        """Return what `known` returns, or what one call of `make` returns for all who wait.

        Args:
            key: What is made; others of the same key wait.
            known: Returns the value if it is there by now.
            make: Makes the value and keeps it where `known` looks. Its errors are raised for all.
        """
        flights, mine = self._flights.get(), Future[T]()
        mine.set_running_or_notify_cancel()  # nobody who waits can cancel it
        with flights.lock:
            if (found := known()) is not None:
                return found
            first = flights.by_key.setdefault(key, mine)
        if first is not mine:
            return first.result()
        try:
            made = make()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(made)
            return made
        finally:
            with flights.lock:
                if flights.by_key.get(key) is mine:
                    del flights.by_key[key]

    def forget(self, key: str | None) -> None:
        """Let those who ask from now on wait for no call that is under way; None for any key."""
        flights = self._flights.get()
        with flights.lock:
            for known in list(flights.by_key) if key is None else [key]:
                flights.by_key.pop(known, None)


class _Flights(Generic[T]):
    def __init__(self) -> None:
        self.lock = Lock()
        self.by_key: dict[str, Future[T]] = {}
