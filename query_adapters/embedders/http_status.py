"""What a provider answered, out of the errors of any SDK."""

from collections.abc import Iterator


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status that an error of any SDK carries, if it carries one."""
    for cause in causes(error):
        for holder in (cause, getattr(cause, "response", None)):
            for name in ("status_code", "http_status", "status", "code"):
                status = getattr(holder, name, None)
                if isinstance(status, int) and 100 <= status <= 599:
                    return int(status)
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, and what it was raised from or during, each once; not past `from None`."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
