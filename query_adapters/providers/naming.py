"""Resolve models by name, and read keys from the environment."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from query_adapters.errors import MissingKeyError, UnknownModelError
from query_adapters.providers.redaction import without_credentials
from query_adapters.providers.secrets import remember_secret, remember_secrets_in
from query_adapters.text.shown import quoted

Model = TypeVar("Model")


def resolve(name: str, makers: Mapping[str, Callable[..., Model]], **options: Any) -> Model:
    """Return the model named `<provider>/<model>` or `<provider>:<model>`.

    Args:
        name: The name, such as "openai/text-embedding-3-small".
        makers: Functions from a model's name and the options to the model, by provider.
        **options: Options of the model; those that are None are left out.

    Raises:
        UnknownModelError: If the provider is unknown, or the model's name is missing.
    """
    provider, model = split_name(name)
    if provider not in makers or not model:
        raise UnknownModelError(
            f"expected a model as <provider>/<model>, got {quoted_name(name)}; providers are "
            f"{', '.join(makers)}"
        )
    remember_secrets_in(model)
    given = {option: value for option, value in options.items() if value is not None}
    return makers[provider](model, **given)


def split_name(name: str) -> tuple[str, str]:
    """Return the provider and the model's name, split at the first colon or slash.

    Example:
        >>> split_name("ollama/nomic-embed-text:latest")
        ('ollama', 'nomic-embed-text:latest')
    """
    provider, *model = re.split("[:/]", name, maxsplit=1)
    return provider, "".join(model)


def quoted_name(name: str) -> str:
    """Return a model's name for a message, without the credentials of addresses in it."""
    return quoted(without_credentials(name))


def key_from(*variables: str) -> str:
    """Return the key in the first of these environment variables that is set; it is never shown.

    Raises:
        MissingKeyError: If none is set.
    """
    keys = (os.environ.get(variable, "").strip() for variable in variables)
    found = next((key for key in keys if key), None)
    if found is None:
        raise MissingKeyError(
            f"expected a key in the environment variable {variables[0]}, got none; set it, "
            "nothing has been sent"
        )
    remember_secret(found)
    return found
