"""A LlamaIndex model as the base of LangChain's classes, and an adapter that goes both ways."""

import asyncio
import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from langchain_cohere import CohereEmbeddings
from langchain_core.embeddings import Embeddings
from langchain_openai import AzureOpenAIEmbeddings, OpenAIEmbeddings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.cohere import CohereEmbedding
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding
from pydantic import PrivateAttr, SecretStr

from langchain_adapter import AdapterEmbeddings, LinearAdapterEmbeddings
from langchain_adapter.embedder import LangChainEmbedder
from llama_index_finetune_plugin import AdapterEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from query_adapters.embedders.identity import identity_of, model_name_of
from query_adapters.errors import AdapterMismatchError

ASK: dict[str, Callable[[Any, str], list[float]]] = {
    "query": lambda model, text: model.embed_query(text),
    "async query": lambda model, text: asyncio.run(model.aembed_query(text)),
}


class RoleEmbedding(BaseEmbedding):
    """A LlamaIndex model: vectors from a hash of the role and the text; remembers its calls."""

    model_name: str = "fake/tiny-embedder"
    _calls: list[tuple[str, int]] = PrivateAttr(default_factory=list)

    @property
    def calls(self) -> list[tuple[str, int]]:
        return self._calls

    def vector(self, role: str, text: str) -> list[float]:
        digest = hashlib.sha256(f"{role}|{text}".encode()).digest()
        vector: list[float] = np.frombuffer(digest[:8], np.uint8).astype(float).tolist()
        return vector

    def _embed(self, call: str, texts: Sequence[str], role: str) -> list[list[float]]:
        self._calls.append((call, len(texts)))
        return [self.vector(role, text) for text in texts]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embed("query", [query], "query")[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._embed("async query", [query], "query")[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embed("text", [text], "text")[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embed("batch", texts, "text")

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embed("async batch", texts, "text")


def mapped(adapter: LinearAdapter, vector: list[float]) -> list[float]:
    result: list[float] = adapter(np.array(vector, dtype=np.float32)).tolist()
    return result


@pytest.mark.parametrize("way", list(ASK))
@pytest.mark.parametrize("with_cache", [False, True])
def test_its_queries_go_through_the_adapter(
    adapter: LinearAdapter, way: str, with_cache: bool
) -> None:
    model = RoleEmbedding(embeddings_cache=SimpleKVStore() if with_cache else None)
    adapted = AdapterEmbeddings(model, adapter)
    for _ in range(2):
        assert ASK[way](adapted, "same") == mapped(adapter, model.vector("query", "same"))
        assert adapted.embed_documents(["same"]) == [model.vector("text", "same")]
    queries = [call for call, _ in model.calls if call.endswith("query")]
    assert queries == [way] * (1 if with_cache else 2)


async def test_its_documents_go_in_its_own_batches(adapter: LinearAdapter) -> None:
    model = RoleEmbedding(embed_batch_size=10)
    texts = [f"text {i}" for i in range(25)]
    adapted = AdapterEmbeddings(model, adapter)
    expected = [model.vector("text", text) for text in texts]
    assert adapted.embed_documents(texts) == expected
    assert await adapted.aembed_documents(texts) == expected
    assert model.calls == [
        (call, n) for call in ("batch", "async batch") for n in (10, 10, 5)
    ]  # fmt: skip


def test_both_doors_find_each_others_queries_in_a_models_cache(adapter: LinearAdapter) -> None:
    model = RoleEmbedding(embeddings_cache=SimpleKVStore())
    ours = AdapterEmbeddings(model, adapter).embed_query("q")
    assert AdapterEmbedding(model, adapter).get_query_embedding("q") == ours
    assert model.calls == [("query", 1)]


def test_it_keeps_identity_name_and_dimension(adapter: LinearAdapter) -> None:
    model = MockEmbedding(embed_dim=8, model_name="mock", embed_batch_size=7)
    embedder = LangChainEmbedder(model)
    assert embedder.identity == identity_of(model)
    assert embedder.model_name == "mock"
    assert embedder.batch_size == 7
    assert embedder.max_concurrency == 1
    assert AdapterEmbeddings(model, None).dim == 8


def test_it_is_not_changed() -> None:
    model = MockEmbedding(embed_dim=8)
    manager = model.callback_manager
    AdapterEmbeddings(model, None)
    assert model.callback_manager is manager


def test_a_string_is_resolved_by_llama_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IS_TESTING", "1")
    assert AdapterEmbeddings("default", None).dim == 8  # LlamaIndex's mock


# One model under both frameworks


def openai_models() -> tuple[Any, Any]:
    name = "text-embedding-3-small"
    return OpenAIEmbedding(model=name, api_key="k"), OpenAIEmbeddings(
        model=name, api_key=SecretStr("k")
    )


def cohere_models() -> tuple[Any, Any]:
    name = "embed-english-v3.0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CohereEmbedding(model_name=name, api_key="k"), CohereEmbeddings(
            model=name, cohere_api_key=SecretStr("k"), client=None, async_client=None
        )


@pytest.fixture(scope="module")
def huggingface_models(minilm: str) -> tuple[BaseEmbedding, Embeddings]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its package says that it is no longer maintained
        from langchain_community.embeddings import HuggingFaceEmbeddings

        return HuggingFaceEmbedding(model_name=minilm), HuggingFaceEmbeddings(model_name=minilm)


def check_goes_both_ways(of_llama_index: Any, of_langchain: Any) -> None:
    """An adapter trained on either model is taken on the other, and a third model is refused."""
    adapter = LinearAdapter.identity(384)
    for trained_on in (of_llama_index, of_langchain):
        record = AdapterRecord(base_model=model_name_of(trained_on))
        saved = SavedAdapter(adapter=adapter, record=record)
        LinearAdapterEmbeddings(of_langchain, saved)
        AdapterEmbedding(of_llama_index, saved)
        with pytest.raises(AdapterMismatchError):
            LinearAdapterEmbeddings(MockEmbedding(embed_dim=384, model_name="another"), saved)


@pytest.mark.parametrize("models", [openai_models, cohere_models])
def test_an_adapter_of_a_provider_goes_both_ways(models: Callable[[], tuple[Any, Any]]) -> None:
    of_llama_index, of_langchain = models()
    assert model_name_of(of_llama_index) == model_name_of(of_langchain) != ""
    check_goes_both_ways(of_llama_index, of_langchain)


def test_another_key_keeps_the_identity_of_a_provider() -> None:
    def identity(key: str, model: str = "text-embedding-3-small") -> str:
        return identity_of(OpenAIEmbeddings(model=model, api_key=SecretStr(key)))

    assert identity("one") == identity("two")
    assert identity("one") != identity("one", "text-embedding-3-large")


def test_a_deployment_goes_by_its_own_name_unless_it_tells_its_model() -> None:
    def name(**given: Any) -> str:
        return model_name_of(
            AzureOpenAIEmbeddings(
                azure_deployment="ours",
                azure_endpoint="https://ours.example",
                api_key=SecretStr("k"),
                api_version="2024-10-21",
                **given,
            )
        )

    assert name() == "ours"
    assert name(model="text-embedding-3-large") == "text-embedding-3-large"


def test_an_adapter_of_a_local_model_goes_both_ways(
    huggingface_models: tuple[Any, Any],
) -> None:
    of_llama_index, of_langchain = huggingface_models
    check_goes_both_ways(of_llama_index, of_langchain)
    record = AdapterRecord(base_model=model_name_of(of_llama_index), probe_text="Who is it?")
    probe = np.array(of_llama_index.get_query_embedding("Who is it?"), dtype=np.float32)
    turn = LinearAdapter(np.eye(384)[::-1])
    saved = SavedAdapter(adapter=turn, record=record, probe_vector=probe)
    expected = AdapterEmbedding(of_llama_index, saved).get_query_embedding("Where?")
    for base in (of_langchain, of_llama_index):
        served = AdapterEmbeddings(base, saved)
        served.verify()
        np.testing.assert_allclose(served.embed_query("Where?"), expected, atol=1e-6)
    from_langchain = AdapterEmbedding(of_langchain, saved)
    from_langchain.verify()
    np.testing.assert_allclose(from_langchain.get_query_embedding("Where?"), expected, atol=1e-6)
