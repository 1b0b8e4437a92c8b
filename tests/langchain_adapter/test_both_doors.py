"""What one door trains the other serves; what one door measures the other measures too."""

import re
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode

import langchain_adapter as langchain_door
import llama_index_finetune_plugin as llama_index_door
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, read_adapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.data.formats import read_beir
from query_adapters.evaluation import Evaluation, evaluate_vectors

DIM, N_WORDS = 64, 4_096
TABLE = np.random.default_rng(0).normal(size=(N_WORDS, DIM))
QUESTION = "how far is the harbour?"


@cache
def bag_of_words(text: str) -> tuple[float, ...]:
    """A cheap embedding of real texts: hashed words, projected at random, at length 1."""
    rows = [zlib.crc32(word.encode()) % N_WORDS for word in re.findall(r"\w+", text.lower())]
    vector = np.log1p(np.bincount(rows, minlength=N_WORDS)) @ TABLE
    return tuple((vector / np.linalg.norm(vector)).tolist())


class BagEmbeddings(Embeddings):
    model_name = "bag-of-words"

    def embed_query(self, text: str) -> list[float]:
        return list(bag_of_words(text))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [list(bag_of_words(text)) for text in texts]


class BagEmbedding(BaseEmbedding):
    model_name: str = "bag-of-words"

    def _get_query_embedding(self, query: str) -> list[float]:
        return list(bag_of_words(query))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return list(bag_of_words(text))


def small_dataset() -> RetrievalDataset:
    """Questions whose words stand for other words of their document, always the same ones."""
    rng = np.random.default_rng(1)
    topics = [rng.choice(60, size=6, replace=False) for _ in range(80)]
    return RetrievalDataset.from_relevant_docs(
        {
            f"q{i}": " ".join(f"asked{w} word{w}" for w in topic[:4])
            for i, topic in enumerate(topics)
        },
        {f"d{i}": " ".join(f"told{w} word{w}" for w in topic) for i, topic in enumerate(topics)},
        {f"q{i}": [f"d{i}"] for i in range(len(topics))},
    )


DATASET = small_dataset()
ENGINES: dict[str, Any] = {
    "llama_index": lambda base, **options: llama_index_door.EmbeddingAdapterFinetuneEngine(
        DATASET, base, guard="off", n_folds=2, strengths=[0.1], **options
    ),
    "langchain": lambda base, **options: langchain_door.EmbeddingAdapterFinetuneEngine(
        DATASET, base, guard="off", n_folds=2, strengths=[0.1], **options
    ),
}
BASES: dict[str, Any] = {"llama_index": BagEmbedding, "langchain": BagEmbeddings}


@pytest.mark.parametrize("door", ENGINES)
def test_an_adapter_trained_through_one_door_serves_in_both(door: str, tmp_path: Path) -> None:
    engine = ENGINES[door](BASES[door](), model_output_path=tmp_path)
    engine.finetune()
    in_llama_index = llama_index_door.LinearAdapterEmbedding(BagEmbedding(), tmp_path)
    in_langchain = langchain_door.LinearAdapterEmbeddings(BagEmbeddings(), tmp_path)
    in_llama_index.verify()
    in_langchain.verify()
    one, other = in_llama_index.get_query_embedding(QUESTION), in_langchain.embed_query(QUESTION)
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert not np.allclose(one, bag_of_words(QUESTION), atol=0.01)
    assert in_llama_index.get_text_embedding("text") == in_langchain.embed_documents(["text"])[0]


@pytest.mark.parametrize("door", ENGINES)
def test_each_door_trains_the_other_frameworks_model(door: str, tmp_path: Path) -> None:
    fingerprints = []
    for framework, base_class in BASES.items():
        engine = ENGINES[door](base_class(), model_output_path=tmp_path / framework)
        engine.finetune()
        fingerprints.append(read_adapter(tmp_path / framework).adapter.fingerprint)
        engine.get_finetuned_model().verify()
    assert fingerprints[0] == fingerprints[1]


def test_both_doors_learn_the_same_with_and_without_what_is_stored(tmp_path: Path) -> None:
    store = InMemoryVectorStore(BagEmbeddings())
    store.add_texts(list(DATASET.corpus.values()), ids=list(DATASET.corpus))
    nodes = [TextNode(id_=key, text=text) for key, text in DATASET.corpus.items()]
    index = VectorStoreIndex(nodes, embed_model=BagEmbedding())
    stored: list[dict[str, Any]] = [{}, {"vectorstore": store}, {}, {"index": index}]
    doors = ["langchain", "langchain", "llama_index", "llama_index"]
    weights = []
    for number, (door, extra) in enumerate(zip(doors, stored, strict=True)):
        folder = tmp_path / str(number)
        engine = ENGINES[door](BASES[door](), model_output_path=folder, seen_share=0.5, **extra)
        engine.finetune()
        adapter = read_adapter(folder).adapter
        assert isinstance(adapter, LinearAdapter)
        weights.append(adapter.weight)
    for weight in weights[1:]:
        np.testing.assert_allclose(weight, weights[0], atol=1e-6)


@pytest.fixture(scope="module")
def scifact(data_folder: Path) -> RetrievalDataset:
    if not (data_folder / "scifact").is_dir():
        pytest.skip("SciFact is not here")
    dataset = read_beir(data_folder / "scifact", split="test")
    return dataset.select(list(dataset.queries)[:100])


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an adapter that changes many rankings."""
    noise = np.random.default_rng(2).normal(size=(DIM, DIM)) / DIM**0.5
    adapter = LinearAdapter(np.eye(DIM) + 0.2 * noise)
    record = AdapterRecord(base_model="bag-of-words")
    folder = tmp_path_factory.mktemp("turned")
    return save_adapter(SavedAdapter(adapter=adapter, record=record), folder)


@pytest.fixture(scope="module")
def through_llama_index(scifact: RetrievalDataset, turned: Path) -> Evaluation:
    nodes = [TextNode(id_=key, text=text) for key, text in scifact.corpus.items()]
    index = VectorStoreIndex(nodes, embed_model=BagEmbedding(embed_batch_size=512))
    adapted = llama_index_door.LinearAdapterEmbedding(BagEmbedding(), turned)
    retriever = index.as_retriever(similarity_top_k=10, embed_model=adapted)
    return llama_index_door.RetrieverEvaluator(retriever).evaluate_dataset(scifact)


def faiss() -> type[VectorStore]:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        from langchain_community.vectorstores import FAISS  # announces its package's end
    return FAISS


@pytest.mark.parametrize("store_class", [lambda: InMemoryVectorStore, faiss])
def test_scifact_ranks_and_scores_alike_through_both_doors(
    store_class: Callable[[], type[VectorStore]],
    scifact: RetrievalDataset,
    turned: Path,
    through_llama_index: Evaluation,
) -> None:
    adapted = langchain_door.LinearAdapterEmbeddings(BagEmbeddings(), turned)
    documents = [Document(text, id=key) for key, text in scifact.corpus.items()]
    store = store_class().from_documents(documents, adapted)
    retriever = store.as_retriever(search_kwargs={"k": 10})
    scores = langchain_door.RetrieverEvaluator(retriever).evaluate_dataset(scifact)
    assert scores.run == through_llama_index.run
    assert scores.means == pytest.approx(through_llama_index.means, abs=1e-6)
    vectors = embed_dataset(scifact, langchain_door.LangChainEmbedder(BagEmbeddings()))
    straight = evaluate_vectors(vectors, read_adapter(turned).adapter)
    assert scores.means == pytest.approx(straight.means, abs=1e-6)
    base = evaluate_vectors(vectors)
    assert (base.per_query["ndcg@10"] != straight.per_query["ndcg@10"]).sum() > 10
