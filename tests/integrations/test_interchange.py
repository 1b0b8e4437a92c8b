"""Test that adapters work in both integrations and that both compute the same scores."""

import re
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_cohere import CohereEmbeddings
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_openai import AzureOpenAIEmbeddings, OpenAIEmbeddings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding
from llama_index.embeddings.cohere import CohereEmbedding
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding
from pydantic import SecretStr

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, read_adapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.data.formats import read_beir
from query_adapters.embedders.identity import identity_of, model_name_of
from query_adapters.errors import AdapterMismatchError
from query_adapters.evaluation import Evaluation, evaluate_vectors
from tests.integrations.both import FRAMEWORKS
from tests.integrations.framework import Framework
from tests.integrations.langchain import LANGCHAIN
from tests.integrations.llama_index import LLAMA_INDEX

pytestmark = pytest.mark.slow

DIM, N_WORDS = 64, 4_096
TABLE = np.random.default_rng(0).normal(size=(N_WORDS, DIM))
QUESTION = "how far is the harbour?"


@cache
def bag_of_words(text: str) -> tuple[float, ...]:
    """Return a unit vector of a text: a random projection of its hashed word counts."""
    rows = [zlib.crc32(word.encode()) % N_WORDS for word in re.findall(r"\w+", text.lower())]
    vector = np.log1p(np.bincount(rows, minlength=N_WORDS)) @ TABLE
    return tuple((vector / np.linalg.norm(vector)).tolist())


def bag_model(framework: Framework) -> Any:
    def vector(text: str) -> list[float]:
        return list(bag_of_words(text))

    return framework.make_base(
        model_name="bag-of-words", query=vector, document=vector, batch_size=512
    )


def small_dataset() -> RetrievalDataset:
    """Return a dataset in which each question word corresponds to a fixed document word."""
    rng = np.random.default_rng(1)
    topics = [rng.choice(60, size=6, replace=False) for _ in range(80)]
    return RetrievalDataset.from_relevant_docs(
        {
            f"q{i}": " ".join(f"asked{w} word{w}" for w in topic[:4])
            for i, topic in enumerate(topics)
        },
        {f"d{i}": " ".join(f"said{w} word{w}" for w in topic) for i, topic in enumerate(topics)},
        {f"q{i}": [f"d{i}"] for i in range(len(topics))},
    )


DATASET = small_dataset()
OPTIONS: dict[str, Any] = {"guard": "off", "n_folds": 2, "strengths": [0.1]}


@pytest.mark.parametrize("memory", [True, False])
def test_an_adapter_trained_in_one_integration_serves_in_both(
    framework: Framework, memory: bool, tmp_path: Path
) -> None:
    framework.engines.adapter(
        DATASET, bag_model(framework), model_output_path=tmp_path, memory=memory, **OPTIONS
    ).finetune()
    assert read_adapter(tmp_path).adapter.kind == ("kernel" if memory else "linear")
    queries, documents = [], []
    for serving in FRAMEWORKS.values():
        model = serving.linear(bag_model(serving), tmp_path)
        model.verify()
        queries.append(serving.calls.query(model, QUESTION))
        documents.append(serving.calls.documents(model, ["text"]))
    np.testing.assert_allclose(queries[0], queries[1], atol=1e-6)
    assert not np.allclose(queries[0], bag_of_words(QUESTION), atol=0.01)
    assert documents[0] == documents[1]


def test_each_integration_trains_models_of_both_frameworks(
    framework: Framework, tmp_path: Path
) -> None:
    fingerprints = set()
    for owner in FRAMEWORKS.values():
        engine = framework.engines.adapter(
            DATASET, bag_model(owner), model_output_path=tmp_path / owner.name, **OPTIONS
        )
        engine.finetune()
        saved = read_adapter(tmp_path / owner.name)
        fingerprints.add(saved.adapter.fingerprint)
        assert saved.record.base_model == "bag-of-words"
        model = engine.get_finetuned_model()
        model.verify()
        assert framework.calls.documents(model, ["text"]) == [list(bag_of_words("text"))]
    assert len(fingerprints) == 1


@pytest.mark.parametrize("memory", [True, False])
def test_both_integrations_learn_the_same_with_and_without_a_store(
    memory: bool, tmp_path: Path
) -> None:
    asked = np.array([bag_of_words(text) for text in DATASET.queries.values()], dtype=np.float32)
    mapped: list[Any] = []
    for framework in FRAMEWORKS.values():
        store = framework.stores.in_memory(dict(DATASET.corpus), bag_model(framework))
        for given in (None, store):
            engine = framework.engines.adapter(
                DATASET, bag_model(framework), store=given, seen_share=0.5,
                model_output_path=tmp_path / str(len(mapped)), memory=memory, **OPTIONS,
            )  # fmt: skip
            engine.finetune()
            mapped.append(engine.result.saved.adapter(asked))
    assert not np.allclose(mapped[0], asked, atol=0.01)
    for others in mapped[1:]:
        np.testing.assert_allclose(others, mapped[0], atol=1e-6)


@pytest.fixture(scope="module")
def scifact(data_folder: Path) -> RetrievalDataset:
    if not (data_folder / "scifact").is_dir():
        pytest.skip("SciFact is not here")
    dataset = read_beir(data_folder / "scifact", split="test")
    return dataset.select(list(dataset.queries)[:100])


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an adapter that changes many rankings."""
    noise = np.random.default_rng(2).normal(size=(DIM, DIM)) / DIM**0.5
    adapter = LinearAdapter(np.eye(DIM) + 0.2 * noise)
    record = AdapterRecord(base_model="bag-of-words")
    folder = tmp_path_factory.mktemp("turned")
    return save_adapter(SavedAdapter(adapter=adapter, record=record), folder)


@pytest.fixture(scope="module")
def through_llama_index(scifact: RetrievalDataset, turned: Path) -> Evaluation:
    """Return the scores of LlamaIndex's in-memory store, filled by the base."""
    store = LLAMA_INDEX.stores.in_memory(dict(scifact.corpus), bag_model(LLAMA_INDEX))
    adapted = LLAMA_INDEX.linear(bag_model(LLAMA_INDEX), turned)
    retriever = LLAMA_INDEX.stores.retriever(LLAMA_INDEX.stores.served(store, adapted), 10)
    scores: Evaluation = LLAMA_INDEX.evaluator(retriever).evaluate_dataset(scifact)
    return scores


def faiss() -> type[VectorStore]:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        from langchain_community.vectorstores import FAISS  # warns that its package is deprecated
    return FAISS


@pytest.mark.parametrize("store_class", [lambda: InMemoryVectorStore, faiss])
def test_scifact_has_the_same_rankings_and_scores_in_both(
    store_class: Callable[[], type[VectorStore]],
    scifact: RetrievalDataset,
    turned: Path,
    through_llama_index: Evaluation,
) -> None:
    adapted = LANGCHAIN.linear(bag_model(LANGCHAIN), turned)
    documents = [Document(text, id=key) for key, text in scifact.corpus.items()]
    store = store_class().from_documents(documents, adapted)
    retriever = LANGCHAIN.stores.retriever(store, 10)
    scores = LANGCHAIN.evaluator(retriever).evaluate_dataset(scifact)
    assert scores.run == through_llama_index.run
    assert scores.means == pytest.approx(through_llama_index.means, abs=1e-6)
    vectors = embed_dataset(scifact, LANGCHAIN.embedder(bag_model(LANGCHAIN)))
    straight = evaluate_vectors(vectors, read_adapter(turned).adapter)
    assert scores.means == pytest.approx(straight.means, abs=1e-6)
    base = evaluate_vectors(vectors)
    assert (base.per_query["ndcg@10"] != straight.per_query["ndcg@10"]).sum() > 10


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
        warnings.simplefilter("ignore")  # the package warns that it is unmaintained
        from langchain_community.embeddings import HuggingFaceEmbeddings

        return HuggingFaceEmbedding(model_name=minilm), HuggingFaceEmbeddings(model_name=minilm)


def check_is_interchangeable(of_llama_index: Any, of_langchain: Any) -> None:
    """Check that both models accept each other's adapters and that a third model is rejected."""
    adapter = LinearAdapter.identity(384)
    for trained_on in (of_llama_index, of_langchain):
        record = AdapterRecord(base_model=model_name_of(trained_on))
        saved = SavedAdapter(adapter=adapter, record=record)
        LANGCHAIN.linear(of_langchain, saved)
        LLAMA_INDEX.adapted(of_llama_index, saved)
        with pytest.raises(AdapterMismatchError):
            LANGCHAIN.linear(MockEmbedding(embed_dim=384, model_name="another"), saved)


@pytest.mark.parametrize("models", [openai_models, cohere_models])
def test_an_adapter_for_a_provider_is_accepted_in_both(
    models: Callable[[], tuple[Any, Any]],
) -> None:
    of_llama_index, of_langchain = models()
    assert model_name_of(of_llama_index) == model_name_of(of_langchain) != ""
    check_is_interchangeable(of_llama_index, of_langchain)


def test_another_key_keeps_the_identity_of_a_provider() -> None:
    def identity(key: str, model: str = "text-embedding-3-small") -> str:
        return identity_of(OpenAIEmbeddings(model=model, api_key=SecretStr(key)))

    assert identity("one") == identity("two")
    assert identity("one") != identity("one", "text-embedding-3-large")


def test_a_deployment_has_its_own_name_unless_its_model_is_given() -> None:
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


def test_an_adapter_for_a_local_model_is_accepted_in_both(
    huggingface_models: tuple[Any, Any],
) -> None:
    of_llama_index, of_langchain = huggingface_models
    check_is_interchangeable(of_llama_index, of_langchain)
    record = AdapterRecord(base_model=model_name_of(of_llama_index), probe_text="Who is it?")
    probe = np.array(of_llama_index.get_query_embedding("Who is it?"), dtype=np.float32)
    turn = LinearAdapter(np.eye(384)[::-1])
    saved = SavedAdapter(adapter=turn, record=record, probe_vector=probe)
    expected = LLAMA_INDEX.adapted(of_llama_index, saved).get_query_embedding("Where?")
    for base in (of_langchain, of_llama_index):
        served = LANGCHAIN.adapted(base, saved)
        served.verify()
        np.testing.assert_allclose(served.embed_query("Where?"), expected, atol=1e-6)
    from_langchain = LLAMA_INDEX.adapted(of_langchain, saved)
    from_langchain.verify()
    np.testing.assert_allclose(from_langchain.get_query_embedding("Where?"), expected, atol=1e-6)
