"""Turn what parsers of other libraries raise into this package's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from query_adapters.errors import QueryAdaptersError
from query_adapters.files.reading import ErrorType

SHOWN = 200  # characters of a reason


@contextmanager
def refusing(place: str, expected: str, *, error: ErrorType) -> Iterator[None]:
    """Raise the error for anything that the block raises about content from a stranger.

    This package's own errors and those of the operating system about the file pass unchanged.

    Args:
        place: The place of the content, for the message.
        expected: What is expected there, for the message.
        error: Makes the error of a message.
    """
    try:
        yield
    except (QueryAdaptersError, FileNotFoundError, PermissionError):
        raise
    except Exception as exc:  # parsers raise what they like on damaged content
        reason = f"{type(exc).__name__}: {exc}"
        raise error(f"{place}: expected {expected}, got {reason[:SHOWN]}") from exc
