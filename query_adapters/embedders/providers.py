"""Resolve models by name, read keys from the environment, and translate SDK errors."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from query_adapters.embedders.http_status import status_of
from query_adapters.errors import (
    MissingKeyError,
    ProviderError,
    ProviderRefusedError,
    UnknownModelError,
)

Model = TypeVar("Model")
LONGEST_TOLD = 200  # characters of a provider's message


def resolve(name: str, makers: Mapping[str, Callable[..., Model]], **options: Any) -> Model:
    """Return the model named `<provider>:<model>`.

    Args:
        name: The name, such as "openai:text-embedding-3-small"; split at the first colon.
        makers: Functions from a model's name and the options to the model, by provider.
        **options: Options of the model; those that are None are left out.

    Raises:
        UnknownModelError: If the provider is unknown, or the model's name is missing.
    """
    provider, _, model = name.partition(":")
    if provider not in makers or not model:
        raise UnknownModelError(
            f"expected a model as <provider>:<model>, got {name!r}; providers are "
            f"{', '.join(makers)}"
        )
    given = {option: value for option, value in options.items() if value is not None}
    return makers[provider](model, **given)


def key_from(*variables: str) -> str:
    """Return the key in the first of these environment variables that is set.

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
    return found


@contextmanager
def refusals_of(model: str, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Return a context that turns the errors of an SDK into this package's errors.

    Args:
        model: The model's name, for the message.
        errors: Error classes that the SDK raises after its own retries.

    Raises:
        ProviderRefusedError: If the provider rejects the key.
        ProviderError: For any other error of the SDK.
    """
    try:
        yield
    except errors as exc:
        status = status_of(exc)
        if status in (401, 403):
            raise ProviderRefusedError(model, status) from exc
        raise ProviderError(_told(exc, status, model)) from exc


def _told(exc: Exception, status: int | None, model: str) -> str:
    body = getattr(exc, "body", None)
    text = body.get("message", body) if isinstance(body, Mapping) else body or exc
    said = " ".join(str(text).split())[:LONGEST_TOLD]
    if status is None:
        return f"{model}: no answer ({type(exc).__name__}: {said}); check network and address"
    remedy = {429: "wait, or ask for fewer at once", 404: "check the model's name"}.get(
        status, "try again later" if status >= 500 else "check the model's settings and the texts"
    )
    return f"{model}: the provider answered with status {status}: {said}; {remedy}"
