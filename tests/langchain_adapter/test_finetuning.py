"""The engine: trains what helps, asks the model once for each text, refuses what cannot work."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_adapter import (
    AdapterEmbeddings,
    EmbeddingAdapterFinetuneEngine,
    LinearAdapterEmbeddings,
    RetrieverEvaluator,
    dataset_from_documents,
)
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, read_adapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidDatasetError,
    LeakageError,
    NotFinetunedError,
    UnknownMetricError,
)

DIM = 16


def hashed(text: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).normal(size=DIM)
    return vector / np.linalg.norm(vector)


MIXING = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0]


class PlantedEmbeddings(Embeddings):
    """Puts the question "… about X" half-way between X and a fixed rotation of X, with noise.

    A linear map on questions undoes the rotation, so there is a gain to be learned.
    """

    model_name = "planted"

    def __init__(self, *, fail_after: int | None = None) -> None:
        self._last_answer = fail_after
        self._queries: list[str] = []
        self._texts: list[str] = []

    def embed_query(self, text: str) -> list[float]:
        if self._last_answer == len(self._queries):
            raise ConnectionError("the provider hung up")
        self._queries.append(text)
        subject = hashed(text.split(" about ")[1])
        vector: list[float] = (MIXING @ subject + subject / 2 + hashed(text) / 2).tolist()
        return vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._texts.extend(texts)
        return [hashed(text).tolist() for text in texts]


def make_documents(first: int, n_documents: int) -> list[Document]:
    return [
        Document(f"subject {i}", id=f"id {i}", metadata={"key": f"key {i}"})
        for i in range(first, first + n_documents)
    ]


def make_questions(documents: list[Document]) -> dict[str, str]:
    return {
        f"question {q} about {document.page_content}": str(document.id)
        for document in documents
        for q in range(2)
    }


def make_dataset(documents: list[Document]) -> RetrievalDataset:
    return dataset_from_documents(documents, make_questions(documents))


def make_store(documents: list[Document], model: Embeddings) -> InMemoryVectorStore:
    store = InMemoryVectorStore(model)
    store.add_documents(documents)
    return store


def serve(store: InMemoryVectorStore, model: Embeddings) -> InMemoryVectorStore:
    """The store as it is, opened with another model."""
    opened = InMemoryVectorStore(model)
    opened.store = store.store
    return opened


def ndcg(store: InMemoryVectorStore, dataset: RetrievalDataset) -> float:
    retriever = store.as_retriever(search_kwargs={"k": 10})
    return RetrieverEvaluator(retriever, ["ndcg@10"]).evaluate_dataset(dataset).means["ndcg@10"]


DOCUMENTS, OTHERS = make_documents(0, 120), make_documents(1_000, 80)
TRAIN, OTHER = make_dataset(DOCUMENTS), make_dataset(OTHERS)
QUESTION = "question x about subject 5"


@pytest.fixture
def planted() -> PlantedEmbeddings:
    return PlantedEmbeddings()


@pytest.fixture
def engine(planted: PlantedEmbeddings, tmp_path: Path) -> EmbeddingAdapterFinetuneEngine:
    return EmbeddingAdapterFinetuneEngine(TRAIN, planted, model_output_path=tmp_path / "out")


def linear(engine: EmbeddingAdapterFinetuneEngine) -> LinearAdapter:
    adapter = engine.result.training.adapter
    assert isinstance(adapter, LinearAdapter)
    return adapter


def test_a_store_filled_with_the_base_is_searched_better(
    engine: EmbeddingAdapterFinetuneEngine, planted: PlantedEmbeddings
) -> None:
    store = make_store(OTHERS, planted)
    n_texts = len(planted._texts)
    engine.finetune()
    served = serve(store, engine.get_finetuned_model())
    assert ndcg(served, OTHER) > ndcg(store, OTHER) + 0.2
    assert engine.result.training.verdict.startswith("adapter kept")
    assert len(planted._texts) == n_texts + len(TRAIN.corpus)  # the store was not embedded again


def test_each_text_is_embedded_exactly_once_and_none_in_a_second_run(
    planted: PlantedEmbeddings, tmp_path: Path
) -> None:
    for _ in range(2):
        EmbeddingAdapterFinetuneEngine(TRAIN, planted, model_output_path=tmp_path).finetune()
    assert sorted(planted._queries) == sorted(TRAIN.queries.values())
    assert sorted(planted._texts) == sorted(TRAIN.corpus.values())


def test_documents_and_questions_are_the_dataset_that_they_make(
    engine: EmbeddingAdapterFinetuneEngine, planted: PlantedEmbeddings, tmp_path: Path
) -> None:
    renamed = {text: key.replace("id", "key") for text, key in make_questions(DOCUMENTS).items()}
    own = EmbeddingAdapterFinetuneEngine.from_documents(
        iter(DOCUMENTS), make_questions(DOCUMENTS), planted, model_output_path=tmp_path / "own"
    )
    by_key = EmbeddingAdapterFinetuneEngine.from_documents(
        DOCUMENTS, renamed, planted, id_key="key", model_output_path=tmp_path / "key"
    )
    for trained in (engine, own, by_key):
        trained.finetune()
        assert linear(trained).fingerprint == linear(engine).fingerprint


def test_any_object_with_the_three_mappings_is_a_dataset(planted: PlantedEmbeddings) -> None:
    relevant = {query: list(grades) for query, grades in TRAIN.qrels.items()}
    content = SimpleNamespace(queries=TRAIN.queries, corpus=TRAIN.corpus, relevant_docs=relevant)
    EmbeddingAdapterFinetuneEngine(content, planted)
    del content.corpus
    with pytest.raises(TypeError, match=r"SimpleNamespace lacks \['corpus'\]"):
        EmbeddingAdapterFinetuneEngine(content, planted)


def test_a_store_that_holds_the_documents_spares_their_embedding_and_tells_its_model(
    planted: PlantedEmbeddings, tmp_path: Path
) -> None:
    store = make_store(DOCUMENTS, planted)
    planted._texts.clear()
    engine = EmbeddingAdapterFinetuneEngine(TRAIN, vectorstore=store, model_output_path=tmp_path)
    engine.finetune()
    assert planted._texts == []
    assert sorted(planted._queries) == sorted(TRAIN.queries.values())
    assert read_adapter(tmp_path).record.base_model == "planted"
    assert ndcg(serve(store, engine.get_finetuned_model()), TRAIN) > ndcg(store, TRAIN) + 0.2


def test_a_store_that_is_served_adapted_is_trained_on_its_base_again(
    engine: EmbeddingAdapterFinetuneEngine, planted: PlantedEmbeddings, tmp_path: Path
) -> None:
    engine.finetune()
    served = serve(make_store(DOCUMENTS, planted), engine.get_finetuned_model())
    again = EmbeddingAdapterFinetuneEngine(
        TRAIN, vectorstore=served, model_output_path=tmp_path / "again"
    )
    again.finetune()
    assert read_adapter(tmp_path / "again").record.base_model == "planted"
    LinearAdapterEmbeddings(planted, tmp_path / "again").verify()


def test_documents_missing_from_the_store_are_embedded(
    planted: PlantedEmbeddings, tmp_path: Path
) -> None:
    store = make_store(DOCUMENTS[:60], planted)
    planted._texts.clear()
    EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path, vectorstore=store
    ).finetune()
    assert sorted(planted._texts) == sorted(d.page_content for d in DOCUMENTS[60:])


def test_options_reach_the_trainer(planted: PlantedEmbeddings, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "metric": "recall@3", "guard": "off", "seen_share": 1.0, "strengths": [0.3, 0.1],
        "whitenings": [0.0], "n_folds": 3, "bias": True, "dim": DIM, "verbose": True,
        "cache_path": str(tmp_path / "cache.sqlite"),
    }  # fmt: skip
    tables = []
    for seed in (5, 6):
        engine = EmbeddingAdapterFinetuneEngine(
            TRAIN, planted, model_output_path=tmp_path / str(seed), seed=seed, **options
        )
        engine.finetune()
        tables.append(engine.result.training.table)
        assert "recall@3" in engine.result.training.verdict
        assert linear(engine).bias is not None
    strengths = {row.candidate.strength for row in tables[0]}
    assert {strength for strength in strengths if np.isfinite(strength)} == {0.3, 0.1}
    assert {row.candidate.whitening for row in tables[0]} == {0.0}
    assert all(row.unseen is None for row in tables[0])
    assert tables[0] != tables[1]  # the seed deals the questions to other folds
    assert (tmp_path / "cache.sqlite").is_file()


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("chroma", {}, "euclidean"),
        ("in memory", {}, "cosine"),
        ("chroma", {"similarity": "cosine"}, "cosine"),
        ("blocks", {}, "cosine"),
    ],
)
def test_it_ranks_as_the_store_does_unless_told_otherwise(
    planted: PlantedEmbeddings, tmp_path: Path, kind: str, given: dict[str, Any], expected: str
) -> None:
    stores: dict[str, Callable[[], Any]] = {
        "chroma": lambda: Chroma("docs", planted, persist_directory=str(tmp_path / "chroma")),
        "in memory": lambda: InMemoryVectorStore(planted),
    }
    if kind == "blocks":
        texts = [document.page_content for document in DOCUMENTS]
        store: Any = [([str(d.id) for d in DOCUMENTS], planted.embed_documents(texts))]
    else:
        store = stores[kind]()
        store.add_documents(DOCUMENTS)
    planted._texts.clear()
    engine = EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path / "out", vectorstore=store, guard="off",
        n_folds=2, strengths=[0.3], **given,
    )  # fmt: skip
    engine.finetune()
    assert planted._texts == []
    assert read_adapter(tmp_path / "out").record.training["similarity"] == expected


def test_the_served_model_is_the_adapter_on_the_base(
    engine: EmbeddingAdapterFinetuneEngine, planted: PlantedEmbeddings, tmp_path: Path
) -> None:
    engine.finetune()
    model = engine.get_finetuned_model()
    assert isinstance(model, LinearAdapterEmbeddings)
    saved = read_adapter(tmp_path / "out")
    expected = saved.adapter(np.array(planted.embed_query(QUESTION), dtype=np.float32))
    assert model.embed_query(QUESTION) == expected.tolist()
    assert model.embed_documents(["text"]) == planted.embed_documents(["text"])
    again = LinearAdapterEmbeddings(planted, tmp_path / "out")
    assert again.embed_query(QUESTION) == expected.tolist()
    again.verify()
    assert saved.record.training["verdict"] == engine.result.training.verdict


def test_a_memory_is_served_by_adapter_embeddings(
    planted: PlantedEmbeddings, tmp_path: Path
) -> None:
    engine = EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path, memory=True, guard="off", strengths=[3.0]
    )
    engine.finetune()
    memories = [row.candidate.memory for row in engine.result.training.table]
    assert any(memories)
    assert not all(memories)
    model = engine.get_finetuned_model()
    assert isinstance(model, AdapterEmbeddings)
    kind = engine.result.saved.adapter.kind
    assert isinstance(model, LinearAdapterEmbeddings) == (kind == "linear")
    query = np.array(planted.embed_query(QUESTION), dtype=np.float32)
    assert model.embed_query(QUESTION) == engine.result.saved.adapter(query).tolist()


def test_a_validation_set_is_measured_and_recorded(
    planted: PlantedEmbeddings, tmp_path: Path
) -> None:
    engine = EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path, val_dataset=OTHER
    )
    engine.finetune()
    validation = engine.result.validation
    assert validation is not None
    store = make_store(OTHERS, planted)
    assert validation["ndcg@10"].base.mean == pytest.approx(ndcg(store, OTHER))
    served = serve(store, engine.get_finetuned_model())
    assert validation["ndcg@10"].adapted.mean == pytest.approx(ndcg(served, OTHER))
    record = json.loads((tmp_path / "adapter.json").read_text())["record"]["training"]
    assert record["validation"]["ndcg@10"]["mean"] == validation["ndcg@10"].difference.mean


def test_labels_without_a_signal_keep_the_base(tmp_path: Path) -> None:
    base = DeterministicFakeEmbedding(size=DIM)
    engine = EmbeddingAdapterFinetuneEngine(TRAIN, base, model_output_path=tmp_path)
    engine.finetune()
    assert "base kept" in engine.result.training.verdict
    assert engine.get_finetuned_model().embed_query(QUESTION) == base.embed_query(QUESTION)


def test_a_provider_that_hangs_up_is_not_paid_twice(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        EmbeddingAdapterFinetuneEngine(
            TRAIN, PlantedEmbeddings(fail_after=100), model_output_path=tmp_path
        ).finetune()
    healthy = PlantedEmbeddings()
    EmbeddingAdapterFinetuneEngine(TRAIN, healthy, model_output_path=tmp_path).finetune()
    asked = set(healthy._queries)
    finished = [text for text in TRAIN.queries.values() if text not in asked]
    assert finished == list(TRAIN.queries.values())[: len(finished)]
    assert len(finished) == 1 + 64  # the first question alone, then a batch


class TestRefining:
    """`from_model_path` goes on from an adapter instead of from the base."""

    def save(self, folder: Path, *, base_model: str) -> None:
        record = AdapterRecord(base_model=base_model)
        save_adapter(SavedAdapter(adapter=LinearAdapter(MIXING.T), record=record), folder)

    def test_a_strong_pull_gives_that_adapter_back(
        self, planted: PlantedEmbeddings, tmp_path: Path
    ) -> None:
        self.save(tmp_path / "first", base_model="planted")
        store = make_store(DOCUMENTS, planted)
        engine = EmbeddingAdapterFinetuneEngine.from_model_path(
            TRAIN, None, tmp_path / "first", vectorstore=store,
            model_output_path=tmp_path / "x", strengths=[1e6],
        )  # fmt: skip
        engine.finetune()
        np.testing.assert_allclose(linear(engine).weight, MIXING.T, atol=1e-4)

    def test_an_adapter_of_another_model_is_refused(
        self, planted: PlantedEmbeddings, tmp_path: Path
    ) -> None:
        self.save(tmp_path, base_model="another")
        with pytest.raises(AdapterMismatchError, match=r"'another'.*'planted'"):
            EmbeddingAdapterFinetuneEngine.from_model_path(TRAIN, planted, tmp_path)

    def test_another_kind_of_start_is_refused(self, planted: PlantedEmbeddings) -> None:
        wrong: Any = object()
        with pytest.raises(AdapterMismatchError, match="expected a query_adapters LinearAdapter"):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, adapter_model=wrong)


class TestRefusals:
    """Bad input is named before anything is embedded."""

    def test_a_result_before_there_is_one(self, engine: EmbeddingAdapterFinetuneEngine) -> None:
        with pytest.raises(NotFinetunedError, match=r"call finetune\(\) first"):
            engine.get_finetuned_model()

    def test_no_model_at_all(self) -> None:
        with pytest.raises(TypeError, match="expected a LangChain embedding model, got none"):
            EmbeddingAdapterFinetuneEngine(TRAIN)

    def test_a_model_that_is_none(self) -> None:
        wrong: Any = 7
        with pytest.raises(TypeError, match=r"expected a LangChain embedding model .* got int"):
            EmbeddingAdapterFinetuneEngine(TRAIN, wrong)

    def test_validation_on_training_questions(self, planted: PlantedEmbeddings) -> None:
        with pytest.raises(LeakageError, match="240 of 240"):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, val_dataset=TRAIN)
        assert planted._queries == planted._texts == []

    def test_a_document_without_an_id(self, planted: PlantedEmbeddings) -> None:
        with pytest.raises(InvalidDatasetError, match="expected a document with an id"):
            EmbeddingAdapterFinetuneEngine.from_documents([Document("x")], {"y?": "x"}, planted)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"seen_share": 1.5}, ValueError, "seen_share between 0 and 1"),
            ({"n_folds": 1}, ValueError, "at least 2 folds"),
            ({"strengths": []}, ValueError, "strengths above 0"),
            ({"guard": "lax"}, ValueError, "expected a guard of"),
            ({"metric": "mrr"}, UnknownMetricError, "unknown metric 'mrr'"),
            ({"metrics": "mrr@3"}, TypeError, "unexpected arguments: metrics; settings of .* seed"),
            ({"n_repeats": 2, "epochs": 4}, TypeError, "unexpected arguments: epochs, n_repeats"),
        ],
    )
    def test_settings_out_of_range_and_unknown_ones(
        self,
        options: dict[str, Any],
        error: type[Exception],
        message: str,
        planted: PlantedEmbeddings,
    ) -> None:
        with pytest.raises(error, match=message):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, **options)

    def test_a_wrong_dimension_costs_one_question(
        self, planted: PlantedEmbeddings, tmp_path: Path
    ) -> None:
        engine = EmbeddingAdapterFinetuneEngine(TRAIN, planted, dim=99, model_output_path=tmp_path)
        with pytest.raises(DimensionMismatchError, match="expected 99 dimensions, got 16"):
            engine.finetune()
        assert (len(planted._queries), len(planted._texts)) == (1, 0)

    def test_a_store_of_another_model_costs_one_question(
        self, planted: PlantedEmbeddings, tmp_path: Path
    ) -> None:
        store = make_store(OTHERS, DeterministicFakeEmbedding(size=4))
        engine = EmbeddingAdapterFinetuneEngine(
            TRAIN, planted, vectorstore=store, model_output_path=tmp_path
        )
        with pytest.raises(DimensionMismatchError, match="expected 4 dimensions, got 16"):
            engine.finetune()
        assert (len(planted._queries), len(planted._texts)) == (1, 0)
