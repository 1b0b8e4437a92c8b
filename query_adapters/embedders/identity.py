"""What tells one embedding model's vectors from another's, with no secret in it.

Works on the models of any framework, by what they have: pydantic fields or plain attributes.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Set
from enum import Enum
from inspect import unwrap
from pathlib import Path, PurePath
from types import FunctionType
from typing import Any

import numpy as np

from query_adapters.errors import AdapterMismatchError

# Secrets, clients, and how texts are sent: none changes a vector. A name that is matched by
# mistake gives two models one identity, so `keyword`, `max_tokens` and `tokenizer` are let through.
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
UNNAMED = ("", "unknown")
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
FIRST_HEADING = re.compile(r"^# (.*)$", re.MULTILINE)
NAME = re.compile(r"(?=.*[-\d])[\w.-]+(/[\w.-]+)?")  # "all-MiniLM-L6-v2", not "Usage"
IS_PATH = re.compile(r"[/\\~.]|[A-Za-z]:[/\\]")  # how a path begins on Linux, macOS or Windows
HUB_CACHE = re.compile(r"models--([^/\\]+)[/\\]snapshots[/\\]")  # huggingface_hub's folders


def innermost(model: Any) -> Any:
    """Return the model itself, or the one that it keeps a cache of."""
    inner = getattr(model, "underlying_embeddings", None)
    return model if inner is None else innermost(inner)


def owner_of(model: Any, method: str) -> type:
    """Return the class that defines a method of the model: its own, or one that it inherits from.

    Raises:
        AttributeError: If none of them has such a method.
    """
    for owner in type(model).__mro__:
        if method in vars(owner):
            return owner
    raise AttributeError(f"{type(model).__name__} has no method {method!r}")


def model_name_of(model: Any) -> str:
    """Return the model's name; its class name where it does not tell one.

    A name that was given comes before one that is a default: a deployment has a name of its
    own, beside the default of a model that it does not use.
    """
    model = innermost(model)
    given = getattr(model, "model_fields_set", ())
    attributes = sorted(NAME_ATTRIBUTES, key=lambda attribute: attribute not in given)
    values = (getattr(model, attribute, None) for attribute in attributes)
    names = (value.value if isinstance(value, Enum) else value for value in values)
    told = (name for name in names if isinstance(name, str) and name not in UNNAMED)
    return next(told, type(model).__name__)


def dim_of(model: Any) -> int | None:
    """Return the length of the model's vectors, or None if it does not tell."""
    values = (getattr(innermost(model), attribute, None) for attribute in DIM_ATTRIBUTES)
    whole = (value for value in values if isinstance(value, int) and not isinstance(value, bool))
    return next((value for value in whole if value > 0), None)


def identity_of(model: Any) -> str:
    """Return `class:model#digest`, which differs where a setting does that can change a vector.

    The digest covers dimension, instruction and the like, in private attributes too, and leaves
    out secrets and plumbing, so that a new API key or time limit keeps the identity. A model that
    is more than its settings (an adapted one, or one whose weights are an object within it) tells
    its own `identity`, else it passes for any other with the same settings.
    """
    own = getattr(model, "identity", None)
    if isinstance(own, str):
        return own
    return identity_from(type(model).__name__, model_name_of(model), _settings(model))


def identity_from(kind: str, name: str, settings: Mapping[str, Any]) -> str:
    """Return `kind:name#digest` of a model with these settings, secrets among them left out."""
    return f"{kind}:{name}#{_digest(settings)}"


def own_name(name: str) -> str:
    """Return a model's name without the path of the folder that it was loaded from.

    A name that is no path, such as an id on the Hugging Face Hub, is returned as it is. A folder
    in the Hub's cache gives the id; another folder the name at the top of its model card, or its
    last part if there is none.
    """
    cached = HUB_CACHE.search(name)
    if cached:
        return cached[1].replace("--", "/", 1)
    folder = Path(name)
    if folder.is_dir():
        return _card_name(folder) or folder.absolute().name
    return _last_part(name) if IS_PATH.match(name) else name


def _card_name(folder: Path) -> str | None:
    """Return the model's name as its card has it, None if there is none."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    heading = FIRST_HEADING.search(FRONT_MATTER.sub("", text))
    title = "" if heading is None else heading[1].strip()
    return title if NAME.fullmatch(title) else None


def check_name(actual: str, expected: str | None) -> None:
    """Check that the model's name is the expected one, if one is expected.

    Of a path only the last part counts, or the model's own name: folders differ between machines.

    Raises:
        AdapterMismatchError: If it is another name.
    """
    if expected is not None and not _known_as(expected) & _known_as(actual):
        raise AdapterMismatchError(
            f"expected the embedding model {expected!r} that the adapter was trained on, got "
            f"{actual!r}; pass that model, or check_model=False if they are the same"
        )


def _known_as(name: str) -> set[str]:
    """Return the names by which a model may have been recorded, without their folders."""
    return {_last_part(alias).casefold() for alias in (name, own_name(name))}


def _last_part(name: str) -> str:
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]


def _has_fields(value: Any) -> bool:
    """Return whether it is a pydantic model, without pydantic."""
    return isinstance(getattr(type(value), "model_fields", None), Mapping)


def _settings(model: Any) -> dict[str, Any]:
    """Return public fields or attributes, and of the private ones what is no state.

    Private texts are settings, and so are numbers that the constructor takes by that name; the
    rest may be counters, or what is filled in with use.
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
    """Return the names of all arguments that the class or one that it inherits from takes."""
    own = [vars(owner).get("__init__") for owner in kind.__mro__]
    codes = [unwrap(init).__code__ for init in own if isinstance(init, FunctionType)]
    taken = (code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] for code in codes)
    return {name.lstrip("_") for names in taken for name in names}


def _digest(settings: Mapping[str, Any]) -> str:
    text = json.dumps(_canonical(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any) -> Any:
    """Return the value in JSON's terms; of an unknown object only its type, never an address."""
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
