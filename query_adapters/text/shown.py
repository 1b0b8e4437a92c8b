"""Show text of unknown origin to people: shortened, on a terminal without effects, listed.

Characters that act on a terminal or mislead a reader are replaced by their JSON escapes, so that
JSON in which they are replaced is the same JSON.
"""

import json
from collections.abc import Iterable, Sequence

MAX_SHOWN = 200  # characters of one value in a message
MAX_MESSAGE = 1_000  # characters of a message; a longer one loses its middle
HEAD, TAIL = 500, 300  # characters of a shortened message that are kept
LISTED = 3  # entries of a list that a message names
ACTING = (
    *(code for code in range(0x20) if chr(code) not in "\t\n"),  # control characters
    *range(0x7F, 0xA0),
    *(0x2028, 0x2029),  # separators of lines and paragraphs
    *range(0x202A, 0x202F),  # embeddings and overrides of bidirectional text
    *range(0x2066, 0x206A),  # isolates of bidirectional text
    *range(0xFFF9, 0xFFFC),  # interlinear annotations
    *range(0xE0000, 0xE0080),  # invisible tags
    *range(0xD800, 0xE000),  # lone surrogates, which UTF-8 cannot hold
)
ESCAPES = {code: json.dumps(chr(code))[1:-1] for code in ACTING}


class ReadableMessage:
    """Part of an error or a warning whose message is bounded in length and safe to print."""

    args: tuple[object, ...]  # the exception's own

    def __init__(self, *args: object) -> None:
        shown = (message(part) if isinstance(part, str) else part for part in args)
        super().__init__(*shown)

    def __str__(self) -> str:
        """Return the message as it is, also where the builtin would quote it, as KeyError does."""
        return str(self.args[0]) if len(self.args) == 1 else super().__str__()


def visible(text: str) -> str:
    r"""Return the text with JSON escapes in place of characters that act instead of being seen.

    These are control characters but newline and tab, overrides of the direction of writing,
    invisible tags and lone surrogates.

    Example:
        >>> visible("a\x1b[31mb")
        'a\\u001b[31mb'
    """
    return text if text.isprintable() else text.translate(ESCAPES)


def one_line(text: str) -> str:
    """Return the text as one line, otherwise as `visible` does; runs of white space are a space."""
    return visible(" ".join(text.split()))


def shortened(text: str, limit: int = MAX_SHOWN) -> str:
    """Return the text, cut after `limit` characters with an ellipsis."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()}…"


def quoted(value: object, limit: int = MAX_SHOWN) -> str:
    """Return the value as Python spells it, for a message, with at most about `limit` characters.

    Args:
        value: Any value; what it holds is shown no deeper than Python can.
        limit: Characters to show; of a longer value, its size is added.
    """
    if isinstance(value, str):
        more = f"… ({len(value)} characters)" if len(value) > limit else ""
        return f"{visible(repr(value[:limit]))}{more}"
    try:
        spelled = repr(value)
    except (RecursionError, ValueError):  # nested too deep, or an integer of too many digits
        return f"a {type(value).__name__} that cannot be shown"
    more = f" ({len(spelled)} characters)" if len(spelled) > limit else ""
    return f"{visible(shortened(spelled, limit))}{more}"


def listed(entries: Iterable[str], n: int = LISTED) -> str:
    """Return the first `n` entries, each shortened, and the number of further ones."""
    found: Sequence[str] = entries if isinstance(entries, Sequence) else list(entries)
    more = f" and {len(found) - n} more" if len(found) > n else ""
    return ", ".join(shortened(entry) for entry in found[:n]) + more


def message(text: str) -> str:
    """Return the text of a message: visible, and without its middle if it is too long."""
    shown = visible(text) if len(text) <= MAX_MESSAGE else text
    if len(shown) <= MAX_MESSAGE:
        return shown
    head, tail = visible(text[:HEAD])[:HEAD], visible(text[-TAIL:])[-TAIL:]
    return f"{head} … (shortened from {len(text)} characters) … {tail}"
