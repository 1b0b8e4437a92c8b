"""Test that cached models embed each text once in each role, and never mix roles or models."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from langchain_adapter import CachedEmbeddings
from llama_index_finetune_plugin import CachedEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from query_adapters.embedders.identity import identity_of
from tests.integrations.framework import Framework
from tests.integrations.recording import NAME, mapped

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(7)]


@pytest.fixture
def cached(framework: Framework) -> Any:
    """Return the class under test."""
    return {"llama_index": CachedEmbedding, "langchain": CachedEmbeddings}[framework.name]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "vectors.sqlite"


def single(vector: list[float]) -> list[float]:
    """Return the vector in single precision, as the file keeps it."""
    rounded: list[float] = np.array(vector, dtype=np.float32).tolist()
    return rounded


def all_calls(framework: Framework, model: Any) -> list[list[list[float]]]:
    """Return what the model gives for "d" as query and document, each twice, sync and async."""
    calls = framework.calls
    return [
        [calls.query(model, "d"), *calls.documents(model, ["d"])],
        [asyncio.run(calls.aquery(model, "d")), *asyncio.run(calls.adocuments(model, ["d"]))],
    ]


@pytest.mark.parametrize("is_async", [False, True])
def test_each_text_is_embedded_once_in_each_role_and_kept_for_the_next_process(
    framework: Framework, cached: Any, base: Any, path: Path, is_async: bool
) -> None:
    calls = framework.calls
    if is_async:
        asyncio.run(calls.aquery(cached(base, path), "d"))
        asyncio.run(calls.adocuments(cached(base, path), ["d"]))
    else:
        calls.query(cached(base, path), "d")
        calls.documents(cached(base, path), ["d"])
    first = calls.names[1::2] if is_async else calls.names[::2]
    assert base.calls == [(name, ("d",)) for name in first]
    expected = [single(base.vector(role, "d")) for role in ("query", "document")]
    assert all_calls(framework, cached(base, path)) == [expected, expected]
    assert len(base.calls) == 2


def test_documents_come_back_in_order_and_only_new_ones_are_sent_in_the_bases_batches(
    framework: Framework, cached: Any, make_base: Make, path: Path
) -> None:
    base = make_base(batch_size=3)
    model = cached(base, path)
    framework.calls.documents(model, TEXTS[:2])
    base.calls.clear()
    asked = [*TEXTS, TEXTS[0]]
    found = framework.calls.documents(model, asked)
    assert found == [single(base.vector("document", text)) for text in asked]
    assert base.documents == TEXTS[2:]
    assert max(len(texts) for _, texts in base.calls) <= 3
    assert asyncio.run(framework.calls.adocuments(model, asked)) == found
    assert framework.calls.documents(model, []) == []


def test_many_calls_at_once_share_the_file(
    framework: Framework, cached: Any, base: Any, path: Path
) -> None:
    model = cached(base, path)

    async def at_once() -> list[list[float]]:
        calls = (framework.calls.aquery(model, text) for text in TEXTS * 5)
        return list(await asyncio.gather(*calls))

    expected = [single(base.vector("query", text)) for text in TEXTS * 5]
    assert asyncio.run(at_once()) == expected
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(partial(framework.calls.query, model), TEXTS * 5)) == expected


def test_models_share_a_file_but_no_vectors(
    framework: Framework, cached: Any, make_base: Make, path: Path
) -> None:
    for base in (make_base(), make_base(instruction="query: ")):
        expected = [single(base.vector(role, "d")) for role in ("query", "document")]
        assert all_calls(framework, cached(base, path)) == [expected, expected]
        assert len(base.calls) == 2


def test_another_key_of_the_same_model_finds_its_vectors(
    framework: Framework, cached: Any, make_base: Make, path: Path
) -> None:
    framework.calls.query(cached(make_base(), path), "q")
    other = make_base(api_key="rotated")
    framework.calls.query(cached(other, path), "q")
    assert other.calls == []


def test_within_an_adapted_model_a_new_adapter_reuses_the_queries(
    framework: Framework, cached: Any, base: Any, make_adapter: Make, path: Path
) -> None:
    model = framework.adapted(cached(base, path), make_adapter(1))
    for adapter in (make_adapter(1), make_adapter(2)):
        model.adapter = adapter
        expected = mapped(adapter, single(base.vector("query", "d")))
        assert framework.calls.query(model, "d") == pytest.approx(expected)
        assert framework.calls.documents(model, ["d"]) == [single(base.vector("document", "d"))]
    assert len(base.calls) == 2


def test_around_an_adapted_model_roles_and_adapters_stay_apart(
    framework: Framework, cached: Any, base: Any, make_adapter: Make, path: Path
) -> None:
    for adapter in (make_adapter(1), make_adapter(2)):
        model = cached(framework.adapted(base, adapter), path)
        query = single(mapped(adapter, base.vector("query", "d")))
        for found in all_calls(framework, model):
            assert found[0] == pytest.approx(query)
            assert found[1] == single(base.vector("document", "d"))


def test_it_is_the_base_for_adapters_and_their_checks(
    framework: Framework, cached: Any, base: Any, adapter: LinearAdapter, path: Path
) -> None:
    model = cached(base, path)
    assert identity_of(model) == identity_of(base)
    assert framework.embedder(model).model_name == NAME
    assert framework.embedder(model).batch_size == framework.embedder(base).batch_size
    vector = np.array(base.vector("query", "probe"), dtype=np.float32)
    record = AdapterRecord(base_model=NAME, probe_text="probe")
    saved = SavedAdapter(adapter=adapter, record=record, probe_vector=vector)
    framework.calls.query(model, "probe")
    framework.adapted(model, saved).verify()
    assert base.queries == ["probe", "probe"], "the probe is embedded although it is cached"


def test_training_embeds_many_queries_at_once_through_it(
    framework: Framework, cached: Any, base: Any, path: Path
) -> None:
    embedder = framework.embedder(cached(base, path))
    found = embedder.embed_queries(TEXTS)
    assert found.tolist() == [single(base.vector("query", text)) for text in TEXTS]
    embedder.embed_queries(TEXTS)
    assert sorted(base.queries) == TEXTS


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))],  # noqa: S301
    ids=["deepcopy", "copy", "pickle"],
)
def test_a_copy_uses_the_same_file(
    framework: Framework, cached: Any, base: Any, path: Path, duplicate: Callable[[Any], Any]
) -> None:
    model = cached(base, path)
    expected = framework.calls.query(model, "q")
    again = duplicate(model)
    assert framework.calls.query(again, "q") == expected
    assert str(again.cache_path) == str(path)
    assert len(base.calls) == 1


def test_batches_that_are_finished_survive_a_failure(
    framework: Framework, cached: Any, make_base: Make, path: Path
) -> None:
    def failing(text: str) -> list[float]:
        if text == TEXTS[4]:
            raise ConnectionError("gone")
        return [1.0, 2.0]

    base = make_base(batch_size=2, document=failing)
    with pytest.raises(ConnectionError):
        framework.calls.documents(cached(base, path), TEXTS)
    base.calls.clear()
    framework.calls.documents(cached(base, path), TEXTS[:4])
    assert base.calls == []


def test_secrets_are_not_shown(cached: Any, base: Any, path: Path, secret: str) -> None:
    assert secret not in repr(cached(base, path))
    assert secret not in str(cached(base, path).model_dump())
