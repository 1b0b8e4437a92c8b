"""Tests of a model with prefixes and shortened vectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from query_adapters.embedders import PreparedEmbedder
from query_adapters.errors import DimensionMismatchError


def test_each_role_has_its_prefix(make_embedder: Callable[..., Any]) -> None:
    base = make_embedder()
    model = PreparedEmbedder(base, query_prefix="q: ", document_prefix="d: ")
    model.embed_queries(["a", "b"])
    model.embed_documents(["a"])
    assert base.calls == [("query", ("q: a", "q: b")), ("document", ("d: a",))]
    assert (model.model_name, model.batch_size, model.dim) == ("fake", 4, 8)


def test_shortened_vectors_are_the_first_numbers_at_length_1(
    make_embedder: Callable[..., Any],
) -> None:
    whole = make_embedder().embed_documents(["a", "b"])
    model = PreparedEmbedder(make_embedder(), dimensions=3)
    short = model.embed_documents(["a", "b"])
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        short * np.linalg.norm(whole[:, :3], axis=1)[:, None], whole[:, :3], rtol=1e-5
    )
    assert model.dim == 3


def test_vectors_that_are_too_short_are_refused(make_embedder: Callable[..., Any]) -> None:
    with pytest.raises(DimensionMismatchError, match="expected 9 dimensions, got 8; leave"):
        PreparedEmbedder(make_embedder(), dimensions=9).embed_queries(["a"])


def test_identity_is_the_models_own_unless_vectors_differ(
    make_embedder: Callable[..., Any],
) -> None:
    base = make_embedder()
    settings: list[dict[str, Any]] = [
        {"query_prefix": "q: "},
        {"document_prefix": "q: "},
        {"dimensions": 4},
        {},
    ]
    identities = [PreparedEmbedder(base, **each).identity for each in settings]
    assert identities[-1] == base.identity
    assert len(set(identities)) == 4
