"""Test models with prefixes, models of this package by name, and the check of stored prefixes."""

import asyncio
import copy
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest

import langchain_adapter
import llama_index_finetune_plugin
from query_adapters.embedders import EMBEDDERS, PreparedEmbedder
from query_adapters.embedders.identity import identity_of
from query_adapters.embedders.prefixes import Prefixes
from query_adapters.embedders.prepared import prefixes_of
from query_adapters.errors import AdapterMismatchError, InvalidVectorsError
from query_adapters.stores import StoredForm
from query_adapters.typing import Vectors
from tests.integrations.framework import Framework
from tests.integrations.recording import NAME, hashed

Make = Callable[..., Any]
PREFIXES = {"query_prefix": "q: ", "document_prefix": "d: "}
ROLES = ("query", "document")
TEXTS = {f"d{n}": f"text {n}" for n in range(40)}


class Core:
    """A model of the core, whose vectors depend on the role and the text."""

    identity, model_name, batch_size = "core/1", "core", 4

    def vector(self, role: str, text: str) -> list[float]:
        """Return the vector of a text, in single precision."""
        vector: list[float] = np.array(hashed(f"{role}|{text}", 8), dtype=np.float32).tolist()
        return vector

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.vector("query", text) for text in texts], dtype=np.float32)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.vector("document", text) for text in texts], dtype=np.float32)


@pytest.fixture
def package(framework: Framework) -> Any:
    """Return the integration's package."""
    packages = {"llama_index": llama_index_finetune_plugin, "langchain": langchain_adapter}
    return packages[framework.name]


@pytest.fixture
def prepared(package: Any) -> Any:
    """Return the class of a model with prefixes."""
    return getattr(package, "PreparedEmbedding", None) or package.PreparedEmbeddings


@pytest.fixture
def encoded(package: Any) -> Any:
    """Return the class of a model for an index of whole numbers or bits."""
    return getattr(package, "EncodedEmbedding", None) or package.EncodedEmbeddings


@pytest.fixture
def named(package: Any) -> Any:
    """Return the class of a model of this package."""
    return getattr(package, "NamedEmbedding", None) or package.NamedEmbeddings


def all_calls(framework: Framework, model: Any, text: str) -> list[list[float]]:
    """Return the vectors of a text as a query and as a document, sync and async."""
    calls = framework.calls
    return [
        calls.query(model, text),
        asyncio.run(calls.aquery(model, text)),
        *calls.documents(model, [text]),
        *asyncio.run(calls.adocuments(model, [text])),
    ]


def test_each_call_gets_the_prefix_of_its_role(
    framework: Framework, prepared: Any, base: Any
) -> None:
    query, document = base.vector("query", "q: a"), base.vector("document", "d: a")
    model = prepared(base, **PREFIXES)
    assert all_calls(framework, model, "a") == [query, query, document, document]
    found = framework.embedder(model).embed_queries(["a", "b"])
    np.testing.assert_allclose(found[0], query, rtol=1e-6)
    assert base.queries[-2:] == ["q: a", "q: b"]


def test_shortened_vectors_are_plain_numbers_at_length_1(
    framework: Framework, prepared: Any, base: Any
) -> None:
    model = prepared(base, dimensions=3)
    for vector in all_calls(framework, model, "a"):
        assert len(vector) == 3
        assert type(vector[0]) is float
        assert np.linalg.norm(vector) == pytest.approx(1)
    assert model.dim == 3


def test_an_adapter_is_applied_after_the_prefix(
    framework: Framework, prepared: Any, base: Any, make_adapter: Make
) -> None:
    model = framework.adapted(prepared(base, **PREFIXES), make_adapter())
    framework.calls.query(model, "a")
    assert base.queries == ["q: a"]


def test_a_prefix_changes_the_identity_and_keeps_the_name(
    framework: Framework, prepared: Any, base: Any
) -> None:
    model = prepared(base, **PREFIXES)
    assert identity_of(prepared(base)) == identity_of(base) != identity_of(model)
    assert framework.embedder(model).model_name == NAME


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],  # noqa: S301
    ids=["deepcopy", "pickle"],
)
def test_a_copy_has_the_same_prefixes(
    framework: Framework, prepared: Any, base: Any, duplicate: Callable[[Any], Any]
) -> None:
    again = duplicate(prepared(base, **PREFIXES, dimensions=3))
    assert again.prefixes == Prefixes(query="q: ", document="d: ")
    assert len(framework.calls.query(again, "a")) == 3


def test_a_model_of_this_package_keeps_its_roles(
    framework: Framework, prepared: Any, named: Any
) -> None:
    core = Core()
    query, document = (core.vector(role, "a") for role in ("query", "document"))
    for model in (named(core), prepared(core)):
        assert all_calls(framework, model, "a") == [query, query, document, document]
        assert identity_of(model) == core.identity


def test_a_name_stands_for_a_model_wherever_one_is_accepted(
    framework: Framework, prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def made(model: str) -> Core:
        asked.append(model)
        return Core()

    monkeypatch.setitem(EMBEDDERS, "mine", made)
    expected = Core().vector("query", "a")
    assert framework.calls.query(prepared("mine/some:model"), "a") == expected
    embedder = framework.embedder("mine/some:model?query_prefix=q: ")
    assert prefixes_of(embedder) == Prefixes(query="q: ")
    assert embedder.embed_queries(["a"]).tolist() == [Core().vector("query", "q: a")]
    assert asked == ["some:model"] * 2


def test_a_wrapped_model_of_one_framework_serves_in_the_other(base: Any, prepared: Any) -> None:
    model = prepared(base, **PREFIXES)
    query, document = (base.vector(role, f"{role[0]}: a") for role in ROLES)
    in_langchain = langchain_adapter.PreparedEmbeddings(model)
    in_llama_index = llama_index_finetune_plugin.PreparedEmbedding(model)
    assert in_langchain.embed_query("a") == in_llama_index.get_query_embedding("a") == query
    assert in_langchain.embed_documents(["a"]) == [document]
    assert in_llama_index.get_text_embedding_batch(["a"]) == [document]


def test_what_changes_documents_is_in_the_key_of_llama_indexs_ingestion_cache() -> None:
    prefixed = PreparedEmbedder(Core(), document_prefix="d: ")
    named = llama_index_finetune_plugin.NamedEmbedding
    assert named(Core()).to_dict() != named(prefixed).to_dict()
    prepared = llama_index_finetune_plugin.PreparedEmbedding
    assert prepared(Core()).to_dict() != prepared(Core(), document_prefix="d: ").to_dict()


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],  # noqa: S301
    ids=["deepcopy", "pickle"],
)
def test_a_copy_of_a_model_by_name_has_its_model_and_leaves_it_whole(
    named: Any, duplicate: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Connected(Core):
        def __init__(self, model: str, dimensions: int) -> None:
            self.connection, self.dim = Lock(), dimensions

    monkeypatch.setitem(EMBEDDERS, "mine", Connected)
    model = named("mine/m", dimensions=8)
    again = duplicate(model)
    assert (type(again), again.dim, again.identity) == (type(model), 8, model.identity)
    assert [one.embed_queries(["a"]) for one in (again, model)] == [
        [Core().vector("query", "a")]
    ] * 2


def test_options_are_for_names_alone(named: Any) -> None:
    with pytest.raises(TypeError, match="no options beside a model, got dimensions"):
        named(Core(), dimensions=3)


@pytest.mark.parametrize("given", ["", "d: "])
def test_the_prefix_of_a_store_is_found(
    framework: Framework, package: Any, prepared: Any, base: Any, given: str
) -> None:
    store = framework.stores.in_memory(TEXTS, prepared(base, document_prefix="d: "))
    model = prepared(base, document_prefix=given)
    found = package.check_prefix(store, model, prefixes=["d: "])
    assert found.is_right == (given == "d: ")
    assert found.prefix == (None if given else "d: ")


def test_the_prefix_of_a_store_is_found_behind_a_cache(
    framework: Framework, package: Any, prepared: Any, base: Any, tmp_path: Path
) -> None:
    cached = getattr(package, "CachedEmbedding", None) or package.CachedEmbeddings
    store = framework.stores.in_memory(TEXTS, base)
    model = cached(prepared(base, document_prefix="d: "), tmp_path / "vectors.sqlite")
    found = package.check_prefix(store, model, prefixes=["d: "])
    assert (found.found, found.prefix) == ("without a prefix", "")


def test_training_on_a_store_made_without_the_prefix_is_refused(
    framework: Framework, prepared: Any, base: Any
) -> None:
    store = framework.stores.in_memory(TEXTS, base)
    questions = {f"question {n}": [f"d{n}"] for n in range(8)}
    model = prepared(base, document_prefix="d: ")
    with pytest.raises(AdapterMismatchError, match="without a prefix, which this model does not"):
        framework.engines.onto_store(questions, store, model=model)


def test_vectors_have_the_form_of_the_store(framework: Framework, encoded: Any, base: Any) -> None:
    form = StoredForm(precision="ubinary")
    query, document = (form.stored(base.vector(each, "a")).tolist() for each in ROLES)
    model = encoded(base, form)
    assert all_calls(framework, model, "a") == [query, query, document, document]
    assert framework.embedder(model).embed_queries(["a"]).tolist() == [query]
    assert identity_of(model) != identity_of(encoded(base, StoredForm(precision="int8")))
    again = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert framework.calls.query(again, "a") == query


def test_training_and_search_are_on_what_the_store_holds(
    framework: Framework, encoded: Any, base: Any, output: Path
) -> None:
    form = StoredForm(precision="int8")
    store = framework.stores.in_memory(TEXTS, encoded(base, form))
    questions = {f"question {n}": [f"d{n}"] for n in range(30)}
    with pytest.raises(ValueError, match="stored_form: expected no hybrid=True"):
        framework.engines.onto_store(questions, store, model=base, stored_form=form, hybrid=True)
    options = {"guard": "off", "memory": False, "n_folds": 2, "strengths": (1.0,)}
    engine = framework.engines.onto_store(
        questions, store, model=base, stored_form=form, model_output_path=output, **options
    )
    engine.finetune()
    adapted = engine.get_finetuned_model()
    served = framework.stores.served(store, encoded(adapted, form))
    found = framework.stores.found(framework.stores.retriever(served, 3), "question 7")
    documents = form.restored(form.stored([base.vector("document", t) for t in TEXTS.values()]))
    query = form.stored(framework.calls.query(adapted, "question 7")).astype(np.float32)
    scores = (documents @ query) / np.linalg.norm(documents, axis=1)
    assert found == [list(TEXTS)[row] for row in np.argsort(-scores)[:3]]


def test_a_model_whose_vectors_leave_the_calibrated_ranges_is_refused(
    framework: Framework, encoded: Any, base: Any
) -> None:
    texts = [f"text {number}" for number in range(200)]
    vectors = np.array([base.vector("document", text) for text in texts], dtype=np.float32)
    fitting = encoded(base, StoredForm.calibrated(vectors))
    assert len(framework.calls.documents(fitting, texts[:3])) == 3
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    other = encoded(base, StoredForm.calibrated(vectors / lengths / 10))
    with pytest.raises(InvalidVectorsError, match=r"calibrated ranges.* normalize"):
        framework.calls.documents(other, texts[:3])
