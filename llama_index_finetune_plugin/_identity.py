"""What tells one embedding model's vectors from another's, with no secret in it."""

import hashlib
import json
import re
from collections.abc import Mapping, Set
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import BaseModel

from query_adapters.errors import AdapterMismatchError

# Of the exceptions, `keyword`, `max_tokens` and `tokenizer` may change vectors.
NOT_VECTORS = re.compile(
    r"key(?!word)|token(?!s|iz)|secret|passw|credential|cookie|auth|header|client|timeout"
    r"|retry|retries|callback|cache|workers|limiter|batch|progress|verbose|^class_name$",
    re.IGNORECASE,
)
NAME_ATTRIBUTES = ("model_name", "model", "model_id")
DIM_ATTRIBUTES = ("dim", "dimensions", "embed_dim", "dimension", "embedding_dim", "output_dim")
UNNAMED = (None, "", "unknown")


def class_name_of(base: BaseEmbedding) -> str:
    """Return the model's class name as LlamaIndex knows it, else as Python does."""
    name = base.class_name()
    return type(base).__name__ if name == "base_component" else name


def model_name_of(base: BaseEmbedding) -> str:
    """Return the model's name; its class name where it does not tell one."""
    names = (getattr(base, attribute, None) for attribute in NAME_ATTRIBUTES)
    return next((str(name) for name in names if name not in UNNAMED), class_name_of(base))


def dim_of(base: BaseEmbedding) -> int | None:
    """Return the length of the model's vectors, or None if it does not tell."""
    values = (getattr(base, attribute, None) for attribute in DIM_ATTRIBUTES)
    whole = (value for value in values if isinstance(value, int) and not isinstance(value, bool))
    return next((value for value in whole if value > 0), None)


def identity_of(base: BaseEmbedding) -> str:
    """Return `class:model#digest`, equal only where the vectors are.

    The digest covers every field that can change a vector (dimension, instruction, model) and
    leaves out secrets and plumbing, so that a new API key or time limit keeps the identity. A
    model that is more than its fields, as an adapted one is, tells its own `identity`.
    """
    own = getattr(base, "identity", None)
    if isinstance(own, str):
        return own
    return f"{class_name_of(base)}:{model_name_of(base)}#{_digest(dict(base))}"


def check_name(base: BaseEmbedding, expected: str | None) -> None:
    """Return nothing if the model bears the expected name, or none is expected.

    Only the last part of a path counts: the folder differs between machines.

    Raises:
        AdapterMismatchError: If it has another name.
    """
    actual = model_name_of(base)
    if expected is not None and _last_part(expected) != _last_part(actual):
        raise AdapterMismatchError(
            f"expected the embedding model {expected!r} that the adapter was trained on, got "
            f"{actual!r}; pass that model, or check_model=False if they are the same"
        )


def _last_part(name: str) -> str:
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1].casefold()


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(_canonical(fields), sort_keys=True)
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
    fields = _canonical(dict(value)) if isinstance(value, BaseModel) else {}
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}", "fields": fields}
