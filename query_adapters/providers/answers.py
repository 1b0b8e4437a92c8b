"""Check an answer of an embedding API as a whole before anything of it is used."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from query_adapters.arrays import as_matrix
from query_adapters.errors import InvalidVectorsError, ProviderError
from query_adapters.providers.failures import redacted_line
from query_adapters.typing import Vectors

REMEDY = "nothing of it is kept: check the address and the model's name, or try again later"


def vectors_of(rows: Any, n_texts: int, *, model: str, dimensions: int | None) -> Vectors:
    """Return the vectors of one request, `(n_texts, dim)`.

    Args:
        rows: The embeddings in the order of the texts, as the API gave them.
        n_texts: Number of texts of the request.
        model: The model's name, for the message.
        dimensions: The length that was asked for; None for the model's own.

    Raises:
        ProviderError: Unless there is one vector per text, all of one length, of finite
            floating-point numbers, none of them zero throughout.
    """
    _expect(isinstance(rows, Sequence) and not isinstance(rows, str), model, "a list", rows)
    try:
        vectors = as_matrix(rows, n_texts)
    except InvalidVectorsError as exc:
        raise ProviderError(f"{model}: {exc}; {REMEDY}") from exc
    if n_texts == 0:
        return vectors
    whole = all(type(number) is int for row in rows for number in row)
    _expect(not whole or not np.any(vectors), model, "floating-point numbers", "integers alone")
    _expect(bool(vectors.any(axis=1).all()), model, "vectors with a direction", "zeros alone")
    length = dimensions or vectors.shape[1]
    _expect(vectors.shape[1] == length, model, f"{length} dimensions", f"{vectors.shape[1]}")
    return vectors


def rows_in_order(content: bytes, n_texts: int, *, model: str) -> list[Any]:
    """Return the embeddings of an answer of OpenAI's API, in the order of the texts.

    Raises:
        ProviderError: Unless the answer's indices are those of the texts, each once.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as exc:
        said = redacted_line(content[:1000].decode(errors="replace"))
        raise ProviderError(f"{model}: expected JSON, got {said!r} ({exc}); {REMEDY}") from exc
    data: Any = body.get("data") if isinstance(body, Mapping) else None
    listed = isinstance(data, list) and all(isinstance(row, Mapping) for row in data)
    _expect(listed, model, "an object with a list of embeddings in 'data'", body)
    _expect(len(data) == n_texts, model, f"{n_texts} embeddings", str(len(data)))
    indices = [row.get("index") for row in data]
    whole = all(type(index) is int for index in indices)
    _expect(
        whole and sorted(indices) == list(range(n_texts)),
        model,
        f"the indices 0 to {n_texts - 1}, each once",
        indices,
    )
    place = {index: row for index, row in zip(indices, data, strict=True)}
    return [_numbers(place[index].get("embedding"), model) for index in range(n_texts)]


def _numbers(embedding: Any, model: str) -> Any:
    """Return the numbers of an embedding, which may be encoded."""
    if not isinstance(embedding, str):
        _expect(isinstance(embedding, list), model, "a list of numbers", embedding)
        return embedding
    try:
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    except (binascii.Error, ValueError) as exc:
        came = redacted_line(embedding, 60)
        raise ProviderError(
            f"{model}: expected numbers in base64, got {came!r} ({exc}); {REMEDY}"
        ) from exc


def _expect(held: bool, model: str, expected: str, came: Any) -> None:
    if not held:
        raise ProviderError(f"{model}: expected {expected}, got {redacted_line(came)}; {REMEDY}")
