"""Tests of base models from the other framework: LangChain in LlamaIndex and vice versa."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.embedders.identity import identity_of, model_name_of
from tests.integrations.both import FRAMEWORKS
from tests.integrations.framework import Framework
from tests.integrations.recording import NAME, mapped

TEXTS = [f"text {i}" for i in range(25)]


@pytest.fixture
def other(framework: Framework) -> Framework:
    """Return the framework that is not `framework`."""
    return next(each for each in FRAMEWORKS.values() if each is not framework)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_queries_go_through_the_adapter_by_the_same_method_of_the_model(
    framework: Framework, other: Framework, adapter: LinearAdapter, asynchronous: bool
) -> None:
    model = other.make_base()
    adapted = framework.adapted(model, adapter)
    if asynchronous:
        found = asyncio.run(framework.calls.aquery(adapted, "d"))
    else:
        found = framework.calls.query(adapted, "d")
    assert found == mapped(adapter, model.vector("query", "d"))
    assert model.calls == [(other.calls.names[asynchronous], ("d",))]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_documents_are_embedded_in_batches_of_the_model(
    framework: Framework, other: Framework, adapter: LinearAdapter, asynchronous: bool
) -> None:
    model = other.make_base(batch_size=10)
    adapted = framework.adapted(model, adapter)
    if asynchronous:
        found = asyncio.run(framework.calls.adocuments(adapted, TEXTS))
    else:
        found = framework.calls.documents(adapted, TEXTS)
    assert found == [model.vector("document", text) for text in TEXTS]
    name = other.calls.names[2 + asynchronous]
    assert [(call, len(texts)) for call, texts in model.calls] == [(name, n) for n in (10, 10, 5)]


def test_identity_name_dimension_and_batch_size_are_kept(
    framework: Framework, other: Framework
) -> None:
    model = other.make_base(dimensions=8, batch_size=7)
    embedder = framework.embedder(model)
    assert embedder.identity == identity_of(model)
    assert embedder.identity != framework.embedder(other.make_base(model_name="other")).identity
    assert embedder.model_name == NAME
    assert embedder.batch_size == 7
    adapted = framework.adapted(model, None)
    assert adapted.dim == 8
    assert model_name_of(adapted) == f"Adapter for {NAME}"


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],  # noqa: S301
    ids=["deepcopy", "pickle"],
)
def test_a_copy_gives_the_same_vectors(
    framework: Framework, other: Framework, adapter: LinearAdapter,
    duplicate: Callable[[Any], Any],
) -> None:  # fmt: skip
    model = framework.adapted(other.make_base(), adapter)
    query = framework.calls.query(model, "q")
    assert framework.calls.query(duplicate(model), "q") == query
