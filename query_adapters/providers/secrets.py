"""Secrets in use, and where a text says one of them, in whatever form.

Known are the keys that a client was made with, values of environment variables that are named as
secrets, and the credentials of URLs in the environment.
"""

import base64
import os
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "***"
MIN_LENGTH = 8  # a shorter secret is hidden only where it stands alone
SHORTEST = 4  # shorter ones are words of any text
NAMES = (
    r"(?:x-)?api[-_ ]?key|(?:access|auth|refresh|id|session|bearer)[-_]?token|client[-_]?secret|"
    r"secret(?:[-_]?(?:access[-_]?)?key)?|passw(?:or)?d|pwd|subscription-key"
)
SECRET_VARIABLE = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
SECRET_FIELD = re.compile(rf"({NAMES})$|^_?(token|secret|authorization)$", re.IGNORECASE)
SECRET_PARAMETER = re.compile(
    rf"[\w.-]*(?:{NAMES}|signature|credential)|key|token|sig|auth|code", re.IGNORECASE
)
IS_URL = re.compile(r"[a-z][\w+.-]*://", re.IGNORECASE)
ODD_PASSWORD = re.compile(r"://[^/@:]*:(?!\d*/)(.+)@")  # one with a character that URLs reserve
ESCAPED = re.compile(
    r"%(?:25){0,4}(?P<percent>[0-9a-f]{2})|&#x0{0,4}(?P<hex>[0-9a-f]{2});|"
    r"&#0{0,4}(?P<html>\d{2,3});|\\{1,8}(?:u00(?P<json>[0-9a-f]{2})|x(?P<python>[0-9a-f]{2})|"
    r"(?P<plain>[/\"']))|(?P<nothing>\\{1,8}[nrt]|\x1b\[[\d;]{0,20}m|[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]+)",
    re.IGNORECASE,
)
LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}  # lengths stay the same
_in_use: set[str] = set()


def remember_secret(secret: str | None) -> None:
    """Hide this secret in every text from now on."""
    if secret and len(secret) >= SHORTEST:
        _in_use.add(secret)


def remember_secrets_in(text: str) -> None:
    """Hide the credentials of a URL, such as one that names a model."""
    if "://" in text:
        for secret in credentials_of(text):
            remember_secret(secret)


def remember_secrets_of(model: Any) -> None:
    """Hide the keys that a framework's model holds in its fields."""
    for name, value in list(getattr(model, "__dict__", {}).items()):
        if SECRET_FIELD.search(name):
            revealed = getattr(value, "get_secret_value", lambda value=value: value)()
            remember_secret(revealed if isinstance(revealed, str) else None)
        elif isinstance(value, str):
            remember_secrets_in(value)


def without_known_secrets(text: str) -> str:
    """Return the text with the secrets in use replaced; what looks like one stays.

    Hidden is every half of a secret of `MIN_LENGTH` characters or more, as it is or in base64 or
    hexadecimal digits, in capitals or not, with its characters escaped as in URLs, JSON or HTML,
    and with white space in between.
    """
    secrets = sorted(_secrets(), key=len, reverse=True)
    for short in (secret for secret in secrets if len(secret) < MIN_LENGTH):
        alone = rf"(?<!\w){re.escape(short)}(?!\w)"
        text = re.sub(alone, HIDDEN, text, flags=re.IGNORECASE)
    forms = [form for secret in secrets if len(secret) >= MIN_LENGTH for form in _forms(secret)]
    plain = _Unescaped(text if forms else "")
    return _hidden(text, [span for form in forms for span in plain.spans(form)])


def credentials_of(url: str) -> Iterator[str]:
    """Yield the password of a URL, and the values of its parameters that are named as secrets."""
    try:
        parts = urlsplit(url)
        password, query = parts.password, parse_qsl(parts.query)
    except ValueError:
        password, query = None, []
    odd = ODD_PASSWORD.search(url) if password is None else None
    found = [unquote(password or "") or (odd[1] if odd else "")]
    found += [value for name, value in query if SECRET_PARAMETER.fullmatch(name)]
    yield from (secret for secret in found if len(secret) >= SHORTEST)


class _Unescaped:
    """A text with its escapes undone, and without what only separates characters.

    Args:
        text: The text as it came.
    """

    def __init__(self, text: str) -> None:
        parts: list[str] = []
        self._starts, self._origins, end, length = [0], [0], 0, 0
        for escape in ESCAPED.finditer(text):
            parts += [text[end : escape.start()], _meant(escape)]
            length += len(parts[-2])
            # the character, and what follows it, with their places in the text as it came
            self._starts += [length, length + len(parts[-1])]
            self._origins += [escape.start(), escape.end()]
            length, end = length + len(parts[-1]), escape.end()
        self._text = "".join([*parts, text[end:]]).translate(LOWER)

    def spans(self, wanted: str) -> Iterator[tuple[int, int]]:
        """Yield where the text as it came says the half of a secret or more."""
        least = max(MIN_LENGTH, len(wanted) // 2)
        step = (least + 1) // 2  # of each half that is said, one such piece is
        for at in range(0, len(wanted) - step + 1, step):
            piece, found = wanted[at : at + step], -1
            while (found := self._text.find(piece, found + 1)) >= 0:
                before = _common(self._text[max(0, found - at) : found][::-1], wanted[:at][::-1])
                after = _common(self._text[found : found + len(wanted) - at], wanted[at:])
                if before + after >= least:
                    yield self._origin(found - before), self._end(found + after - 1)
                    found += after - 1

    def _end(self, place: int) -> int:
        row = bisect_right(self._starts, place) - 1
        is_escape = row % 2 == 1  # plain texts and escapes alternate
        return self._origins[row + 1] if is_escape else self._origin(place) + 1

    def _origin(self, place: int) -> int:
        row = bisect_right(self._starts, place) - 1
        return self._origins[row] + place - self._starts[row]


def _meant(escape: re.Match[str]) -> str:
    """Return the character that an escape stands for; "" for a separator."""
    kind, value = escape.lastgroup, escape[escape.lastgroup or 0]
    if kind == "nothing":
        return ""
    return value if kind == "plain" else chr(int(value, 10 if kind == "html" else 16))


def _common(text: str, wanted: str) -> int:
    """Return the length of the longest common beginning."""
    both = zip(text, wanted, strict=False)
    return next((n for n, (a, b) in enumerate(both) if a != b), min(len(text), len(wanted)))


def _hidden(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with each span replaced, and spans that overlap as one."""
    parts: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start >= end or not parts:
            parts += [text[end:start], HIDDEN]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _secrets() -> set[str]:
    """Return the secrets in use and those in the environment."""
    found = set(_in_use)
    for name, value in os.environ.items():
        known = value.strip()
        if IS_URL.match(known):
            found |= set(credentials_of(known))
        elif SECRET_VARIABLE.search(name) and len(known) >= MIN_LENGTH and not _is_path(known):
            found.add(known)
    return found


def _is_path(value: str) -> bool:
    """Return whether a variable such as GOOGLE_APPLICATION_CREDENTIALS names a file."""
    return value[0] in "/~." and os.path.exists(os.path.expanduser(value))


@lru_cache(maxsize=1024)
def _forms(secret: str) -> tuple[str, ...]:
    """Return a secret as it may be said, in lower case: in base64 also within a longer text."""
    content = secret.encode(errors="replace")
    shifted = [base64.b64encode(bytes(n) + content)[(0, 2, 3)[n] :] for n in range(3)]
    packed = [one.decode().rstrip("=")[:-1] for one in shifted]
    forms = [secret, content.hex(), *packed, *(p.translate({43: 45, 47: 95}) for p in packed)]
    return tuple(dict.fromkeys(_Unescaped(form)._text for form in forms))
