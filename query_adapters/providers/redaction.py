"""Hide keys and passwords in everything that leaves: messages, records, logs and outputs.

Two things are hidden: the secrets in use, and what looks like one. Messages of others, such as a
provider's, are searched for everything that looks like a secret. Texts of the user, such as the
name of a model, lose only the credentials of URLs: a question may well say "password: required".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from query_adapters.providers.secrets import (
    HIDDEN,
    NAMES,
    SECRET_PARAMETER,
    without_known_secrets,
)

Patterns = tuple[tuple[re.Pattern[str], str], ...]
SPACE = r"(?:\s|\\[nrt])*"
HAS_DIGIT = r"(?=[^\s\"',;)]{0,200}\d)"  # words of a sentence have none
LONGEST_MESSAGE = 65_536  # characters; what follows is left out
LEFT_OUT = f"left out, as it has more than {LONGEST_MESSAGE:,} characters"
NO_ALIAS = r"(?!(?:(?<=^registry)|(?<=[\s\"'(]registry))://[a-z0-9][a-z0-9._-]*@)"
"""What follows is not the rest of `registry://name@alias`, whose name is no user."""
URL_PATTERNS: Patterns = (
    (
        re.compile(
            rf"{NO_ALIAS}((?::|%3a|\\u003a)(?:\\?/|%2f|\\u002f){{2}})"
            r"(?:(?!%2f|\\)[^/\s\"'<>?#])*(?:@|%40)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}@",
    ),
    (
        re.compile(rf"([?&;#](?:{SECRET_PARAMETER.pattern})=)[^&#\s\"'<>;,)\]}}]+", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
)
PATTERNS: Patterns = (
    *URL_PATTERNS,
    (
        re.compile(
            rf"((?:{NAMES}|authorization|token)\\?[\"']{SPACE}[:=]{SPACE}\\?[\"'])[^\"'\\]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(
            rf"(\(b?[\"'](?:{NAMES}|authorization|token)[\"'],\s*b?[\"'])[^\"'\\]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(rf"(\b(?:{NAMES})(?:=|\s+=>?\s*)[\"']?)[^\s\"'&,;)]+", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(rf"(\b(?:{NAMES}):\s*){HAS_DIGIT}[^\s\"',;)]{{8,}}", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(r"(\bauthorization:\s*(?:bearer|basic|token)\s+)[\w.~+/=-]+", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(rf"(\b(?:bearer|basic)\s+){HAS_DIGIT}[\w.~+/=-]{{8,}}", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    # keys of well-known providers; names of models have no part of so many letters and digits
    (
        re.compile(
            r"(?<![\w-])(?:sk|pk|rk|co|hf|gh[opsu]|gsk|github_pat)[-_]"
            r"(?=(?:[\w-]{0,200}[-_])?(?=[A-Za-z]*\d)[A-Za-z0-9]{12})[\w-]{16,}"
        ),
        HIDDEN,
    ),
    (re.compile(r"\b(?:AIza[\w-]{30,}|AKIA[0-9A-Z]{16}|xox[a-z]-[\w-]{10,})"), HIDDEN),
    (re.compile(r"(?<![\w.-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), HIDDEN),
)


class RedactedError(Exception):
    """An error of another package whose text holds a secret that cannot be removed from it.

    Attributes:
        status_code: The HTTP status, if it had one.
    """

    status_code: int | None = None


def redacted(text: str) -> str:
    """Return a message with every secret, and all that looks like one, replaced by `***`.

    Of a message that is longer than any reader wants, only the beginning is returned.
    """
    return _replaced(text[:LONGEST_MESSAGE], PATTERNS)


def without_credentials(text: str) -> str:
    """Return a user's text without the secrets in use and the credentials of URLs."""
    return _replaced(text, URL_PATTERNS)


def redacted_value(value: Any, redact: Callable[[str], str] = redacted) -> Any:
    """Return the value with redacted texts, at any depth of mappings and sequences."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("latin-1")).encode("latin-1")
    if isinstance(value, Mapping):
        return {
            redacted_value(key, redact): redacted_value(item, redact) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        items = [redacted_value(item, redact) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def redact_error(error: BaseException) -> BaseException:
    """Return the error with redacted texts, also in its notes, causes and contexts.

    Errors are changed in place, so that their class stays. One whose text cannot be changed is
    replaced by a `RedactedError`.
    """
    for one in reversed(list(_chain(error))):
        for member in getattr(one, "exceptions", ()):
            _cleaned(member)
        for link in ("__cause__", "__context__"):
            linked = getattr(one, link)
            if linked is not None and (clean := _cleaned(linked)) is not linked:
                suppressed = one.__suppress_context__
                setattr(one, link, clean)
                one.__suppress_context__ = suppressed
    return _cleaned(error)


@contextmanager
def redacting_errors() -> Iterator[None]:
    """Return a context from which errors come without secrets."""
    try:
        yield
    except Exception as exc:
        clean = redact_error(exc)
        if clean is exc:
            raise
        raise clean from exc.__cause__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that it is linked with, each once."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _cleaned(error: BaseException) -> BaseException:
    texts = {"args": error.args, **vars(error)}
    for name, value in texts.items():
        if isinstance(value, str | bytes | Mapping | list | tuple):
            clean = redacted_value(value) if _is_readable(value) else (LEFT_OUT,)
            if clean != value:
                setattr(error, name, clean)
    shown = f"{error!s} {error!r}"
    if redacted(shown) == shown:
        return error
    replacement = RedactedError(f"{type(error).__name__}: {redacted(str(error))}")
    status = getattr(error, "status_code", None)
    replacement.status_code = status if isinstance(status, int) else None
    return replacement.with_traceback(error.__traceback__)


def _is_readable(value: Any) -> bool:
    """Return whether an error's value is one that people may read, and not megabytes of texts."""
    if isinstance(value, str | bytes):
        return True  # only its beginning is kept
    left, size = [value], 0
    while left and size <= LONGEST_MESSAGE:
        one = left.pop()
        size += 8
        if isinstance(one, Mapping):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            left += one
        elif isinstance(one, str | bytes):
            size += len(one)
    return size <= LONGEST_MESSAGE


def _replaced(text: str, patterns: Patterns) -> str:
    text = without_known_secrets(text)
    for pattern, replacement in patterns:
        text = pattern.sub(replacement, text)
    return text
