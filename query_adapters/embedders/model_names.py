"""Names of models with their options, such as "ollama/nomic-embed-text?dimensions=256"."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from query_adapters.errors import UnknownModelError

OPTIONS: dict[str, Callable[[str], Any]] = {
    "dimensions": int,
    "query_prefix": str,
    "document_prefix": str,
    "base_url": str,
}
"""Options that a name may hold, with their types."""


def split_options(name: str) -> tuple[str, dict[str, Any]]:
    """Return a model's name without its options, and the options.

    Raises:
        UnknownModelError: If an option is unknown, or a number is none.

    Example:
        >>> split_options("st/intfloat/e5-small?document_prefix=&dimensions=128")
        ('st/intfloat/e5-small', {'document_prefix': '', 'dimensions': 128})
    """
    model, _, written = name.partition("?")
    found = dict(parse_qsl(written, keep_blank_values=True))
    try:
        return model, {key: OPTIONS[key](value) for key, value in found.items()}
    except (KeyError, ValueError) as exc:
        raise UnknownModelError(
            f"expected <provider>/<model>?<option>=<value>, options being {', '.join(OPTIONS)}, "
            f"got {name!r} ({exc})"
        ) from exc
