"""Hide secrets in what SDKs and frameworks log about a provider's answers."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

from query_adapters.processes.forks import PerProcess
from query_adapters.providers.redaction import redacted

TALKATIVE = (
    "backoff", "cohere", "httpcore", "httpx", "huggingface_hub", "langchain", "llama_index",
    "openai", "requests", "tenacity", "urllib3",
)  # fmt: skip
"""How the names of loggers begin that say what a provider answered, such as before a retry."""


class RedactingFilter(logging.Filter):
    """Hides secrets in the records of a logger, such as a URL with a password."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message and the traceback; every record passes."""
        record.msg, record.args = redacted(_message_of(record)), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
        return True


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a mistake in a log message must not end the call that logs it
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        return f"{template} (arguments that do not fit: {type(error).__name__})"


def redact_logs(*names: str) -> None:
    """Hide secrets in what these loggers say from now on."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(one, RedactingFilter) for one in logger.filters):
            logger.addFilter(RedactingFilter())


@contextmanager
def redacting_logs() -> Iterator[None]:
    """Return a context in which SDKs and frameworks log no secret, in any thread or task.

    Their loggers are not known before they say something, so records are changed where they are
    made. With the last context, the factory of records is again the one that was there before.
    """
    calls = _calls.get()
    calls.begin()
    try:
        yield
    finally:
        calls.end()


class _Factory:
    """Makes log records, without secrets while a provider is called.

    Args:
        calls: The calls that are under way.
        make: Makes a record as it is.
    """

    def __init__(self, calls: "_Calls", make: Callable[..., logging.LogRecord]) -> None:
        self.calls, self.make = calls, make

    def __call__(self, *args: Any, **options: Any) -> logging.LogRecord:
        record = self.make(*args, **options)
        if self.calls.n and record.name.startswith(TALKATIVE):
            RedactingFilter().filter(record)
        return record


class _Calls:
    """The calls of providers that are under way in this process."""

    def __init__(self) -> None:
        self.n, self._lock = 0, threading.Lock()

    def begin(self) -> None:
        """Count a call; from now on, records are made without secrets."""
        with self._lock:
            self.n += 1
            factory = logging.getLogRecordFactory()
            if not self._made(factory):  # also if somebody has replaced it during another call
                logging.setLogRecordFactory(_Factory(self, factory))

    def end(self) -> None:
        """Count its end; a factory that somebody has put in place meanwhile stays."""
        with self._lock:
            self.n -= 1
            factory = logging.getLogRecordFactory()
            if self.n == 0 and self._made(factory):
                logging.setLogRecordFactory(factory.make)

    def _made(self, factory: object) -> TypeGuard[_Factory]:
        return isinstance(factory, _Factory) and factory.calls is self


_calls = PerProcess(_Calls)
