"""Identify embedding models by their settings, without secrets.

Works on the models of any framework, by their pydantic fields or attributes.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Set
from enum import Enum
from inspect import unwrap
from pathlib import Path, PurePath
from types import FunctionType
from typing import Any

import numpy as np

from query_adapters.errors import AdapterMismatchError
from query_adapters.providers.redaction import without_credentials

# Secrets, clients and transport settings, which change no vector. A name that is matched by
# mistake gives two models one identity, so `keyword`, `max_tokens` and `tokenizer` are excluded.
NOT_VECTORS = re.compile(
    r"key(?!word)|token(?!s|iz)|secret|passw|credential|cookie|auth|header|client|timeout"
    r"|retry|retries|callback|cache|workers|limiter|batch|progress|verbose|prox(y|ies)"
    r"|organization|user_agent|multi_process|parallel|concurren|^chunk_size$|^_?device$|^class_name$",
    re.IGNORECASE,
)
NAME_ATTRIBUTES = ("model_name", "model", "model_id", "deployment")
DIM_ATTRIBUTES = (
    "dim", "dimensions", "embed_dim", "dimension", "embedding_dim", "output_dim",
    "output_dimensionality",
)  # fmt: skip
CARD_BYTES = 1 << 16  # of a model card; its name is at the top
UNNAMED = ("", "unknown")
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
FIRST_HEADING = re.compile(r"^# (.*)$", re.MULTILINE)
NAME = re.compile(r"(?=.*[-\d])[\w.-]+(/[\w.-]+)?")  # "all-MiniLM-L6-v2", not "Usage"
IS_PATH = re.compile(r"[/\\~.]|[A-Za-z]:[/\\]")  # how a path begins on Linux, macOS or Windows
HUB_CACHE = re.compile(r"models--([^/\\]+)[/\\]snapshots[/\\]")  # huggingface_hub's folders


def innermost(model: Any) -> Any:
    """Return the model, or the one that it caches."""
    inner = getattr(model, "underlying_embeddings", None)
    return model if inner is None else innermost(inner)


def owner_of(model: Any, method: str) -> type:
    """Return the class that defines a method of the model, its own or a parent.

    Raises:
        AttributeError: If no class defines the method.
    """
    for owner in type(model).__mro__:
        if method in vars(owner):
            return owner
    raise AttributeError(f"{type(model).__name__} has no method {method!r}")


def model_name_of(model: Any) -> str:
    """Return the model's name, without credentials; its class name if it has none.

    A name that was set takes precedence over a default: a deployment has its own name beside the
        default name of a model that it does not use.
    """
    model = innermost(model)
    given = getattr(model, "model_fields_set", ())
    attributes = sorted(NAME_ATTRIBUTES, key=lambda attribute: attribute not in given)
    values = (getattr(model, attribute, None) for attribute in attributes)
    names = (value.value if isinstance(value, Enum) else value for value in values)
    given = (name for name in names if isinstance(name, str) and name not in UNNAMED)
    return without_credentials(next(given, type(model).__name__))


def dim_of(model: Any) -> int | None:
    """Return the length of the model's vectors; None if it does not state it."""
    values = (getattr(innermost(model), attribute, None) for attribute in DIM_ATTRIBUTES)
    whole = (value for value in values if isinstance(value, int) and not isinstance(value, bool))
    return next((value for value in whole if value > 0), None)


def identity_of(model: Any) -> str:
    """Return `class:model#digest`, which differs for any setting that can change a vector.

    The digest covers settings such as dimension and instruction, also in private attributes. It
    leaves out secrets and connection settings, so that a new API key or timeout keeps the identity.
    A model whose vectors depend on more than its settings, such as weights in memory, has to define
    `identity` itself; otherwise it equals any model with the same settings.
    """
    own = getattr(model, "identity", None)
    if isinstance(own, str):
        return own
    return identity_from(type(model).__name__, model_name_of(model), _settings(model))


def identity_from(kind: str, name: str, settings: Mapping[str, Any]) -> str:
    """Return `kind:name#digest` of a model with these settings, without the secrets among them."""
    return f"{kind}:{name}#{_digest(settings)}"


def own_name(name: str) -> str:
    """Return a model's name without the path of the folder that it was loaded from.

    A name that is not a path, such as an id on the Hugging Face Hub, is returned unchanged. A
    folder in the Hub's cache returns the id; another folder the name at the top of its model card,
    or its last part without one.
    """
    name = without_credentials(name)
    cached = HUB_CACHE.search(name)
    if cached:
        return cached[1].replace("--", "/", 1)
    folder = Path(name)
    if os.path.isdir(folder):  # False, too, for a text that is no name of a folder
        return _card_name(folder) or folder.absolute().name
    return _last_part(name) if IS_PATH.match(name) else name


def _card_name(folder: Path) -> str | None:
    """Return the model's name in its card; None if there is none."""
    card = folder / "README.md"
    text = ""
    if os.path.isfile(card):
        with card.open("rb") as file:
            text = file.read(CARD_BYTES).decode(errors="replace")
    heading = FIRST_HEADING.search(FRONT_MATTER.sub("", text))
    title = "" if heading is None else heading[1].strip()
    return title if NAME.fullmatch(title) else None


def check_name(actual: str, expected: str | None) -> None:
    """Check that the model's name is the expected one, if one is expected.

    Paths are compared by their last part or by the model's own name, because folders differ between
    machines.

    Raises:
        AdapterMismatchError: If it is another name.
    """
    if expected is not None and not _known_as(expected) & _known_as(actual):
        raise AdapterMismatchError(
            f"expected the embedding model {expected!r} that the adapter was trained on, got "
            f"{actual!r}; pass that model, or check_model=False if they are the same"
        )


def _known_as(name: str) -> set[str]:
    """Return the names under which a model may be recorded, without folders."""
    names = (without_credentials(name), own_name(name))
    return {_last_part(alias).casefold() for alias in names}


def _last_part(name: str) -> str:
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]


def _has_fields(value: Any) -> bool:
    """Return whether it is a pydantic model, without importing pydantic."""
    return isinstance(getattr(type(value), "model_fields", None), Mapping)


def _settings(model: Any) -> dict[str, Any]:
    """Return public fields or attributes, and private ones that are settings.

    Private strings are settings, as are numbers that the constructor takes by that name; others may
    be counters or values that change with use.
    """
    attributes = getattr(model, "__dict__", {})
    public = {k: v for k, v in attributes.items() if not k.startswith("_")}
    if _has_fields(model):
        public = {name: getattr(model, name, None) for name in type(model).model_fields}
        public |= model.model_extra or {}
        attributes = getattr(model, "__pydantic_private__", None) or {}
    private = {k: v for k, v in attributes.items() if k.startswith("_")}
    taken = _constructor_arguments(type(model))
    return public | {
        k: v
        for k, v in private.items()
        if isinstance(v, str) or (isinstance(v, int | float) and k.lstrip("_") in taken)
    }


def _constructor_arguments(kind: type) -> set[str]:
    """Return the names of all constructor arguments of the class and its parents."""
    own = [vars(owner).get("__init__") for owner in kind.__mro__]
    codes = [unwrap(init).__code__ for init in own if isinstance(init, FunctionType)]
    taken = (code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] for code in codes)
    return {name.lstrip("_") for names in taken for name in names}


def _digest(settings: Mapping[str, Any]) -> str:
    text = json.dumps(_canonical(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any) -> Any:
    """Return the value as JSON; an unknown object as its type, without its address."""
    if isinstance(value, Enum):
        return _canonical(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        kept = {str(k): v for k, v in value.items() if not NOT_VECTORS.search(str(k))}
        return {k: _canonical(v) for k, v in kept.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, Set):
        return sorted(json.dumps(_canonical(item), sort_keys=True) for item in value)
    return _canonical_object(value)


def _canonical_object(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.ndarray | np.generic):
        return _canonical(value.tolist())
    if callable(getattr(value, "embed_documents", None)):  # a model within the model
        return identity_of(value)
    fields = _canonical(_settings(value)) if _has_fields(value) else {}
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}", "fields": fields}
