"""Names of models with their options, such as "ollama/nomic-embed-text?dimensions=256"."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from inspect import Parameter, signature
from typing import Any
from urllib.parse import parse_qsl

from query_adapters.errors import UnknownModelError
from query_adapters.providers.naming import quoted_name

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
    options: dict[str, Any] | None = None
    with suppress(KeyError, ValueError):  # their texts may hold a password
        options = {key: OPTIONS[key](value) for key, value in found.items()}
    if options is None:
        raise UnknownModelError(
            f"expected <provider>/<model>?<option>=<value>, options being {', '.join(OPTIONS)}, "
            f"got {quoted_name(name)}"
        )
    return model, options


def check_options(name: str, options: Iterable[str], make: Callable[..., Any] | None) -> None:
    """Check that what makes a provider's models takes the options in a name.

    Raises:
        UnknownModelError: If it does not take one.
    """
    if make is None:
        return
    taken = signature(make).parameters
    takes_any = any(one.kind == Parameter.VAR_KEYWORD for one in taken.values())
    strange = [option for option in options if option not in taken and not takes_any]
    if strange:
        known = ", ".join(option for option in OPTIONS if option in taken) or "prefixes alone"
        raise UnknownModelError(
            f"expected options that the provider takes ({known}), got {', '.join(strange)} in "
            f"{quoted_name(name)}; leave them out"
        )
