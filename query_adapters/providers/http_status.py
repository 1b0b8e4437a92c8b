"""Read a provider's HTTP status from the errors of any SDK."""

from collections.abc import Iterator


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status of an SDK's error; None if it has none."""
    for cause in causes(error):
        for holder in (cause, getattr(cause, "response", None)):
            for name in ("status_code", "http_status", "status", "code"):
                status = getattr(holder, name, None)
                if isinstance(status, int) and 100 <= status <= 599:
                    return int(status)
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes, each once, up to `from None`."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
