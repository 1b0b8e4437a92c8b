"""The engine: trains what helps, asks the model once for each text, refuses what cannot work."""

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chromadb
import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from llama_index.vector_stores.chroma import ChromaVectorStore
from pydantic import PrivateAttr

from llama_index_finetune_plugin import (
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
    LinearAdapterEmbedding,
    RetrieverEvaluator,
)
from llama_index_finetune_plugin.stores import stored_vectors
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, read_adapter, save_adapter
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    LeakageError,
    NotFinetunedError,
)
from query_adapters.training.prior import spectral_prior

DIM = 16


def hashed(text: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).normal(size=DIM)
    return vector / np.linalg.norm(vector)


MIXING = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0]


class PlantedEmbedding(BaseEmbedding):
    """Puts the question "… about X" half-way between X and a fixed rotation of X, with noise.

    A linear map on questions undoes the rotation, so there is a gain to be learned.
    """

    model_name: str = "planted"
    fail_at: int = 0
    _texts: list[str] = PrivateAttr(default_factory=list)
    _queries: list[str] = PrivateAttr(default_factory=list)

    def _get_query_embedding(self, query: str) -> list[float]:
        self._queries.append(query)
        if len(self._queries) == self.fail_at:
            return [float("nan")] * DIM
        subject = hashed(query.split(" about ")[1])
        vector: list[float] = (MIXING @ subject + subject / 2 + hashed(query) / 2).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        self._texts.append(text)
        vector: list[float] = hashed(text).tolist()
        return vector


def make_dataset(first: int, n_documents: int, questions: int = 2) -> EmbeddingQAFinetuneDataset:
    subjects = [f"subject {number}" for number in range(first, first + n_documents)]
    pairs = [(f"q{i}", subject) for subject in subjects for i in range(questions)]
    return EmbeddingQAFinetuneDataset(
        queries={f"{q} {subject}": f"question {q} about {subject}" for q, subject in pairs},
        corpus={f"id {subject}": subject for subject in subjects},
        relevant_docs={f"{q} {subject}": [f"id {subject}"] for q, subject in pairs},
    )


def make_index(dataset: EmbeddingQAFinetuneDataset, base: BaseEmbedding) -> VectorStoreIndex:
    nodes = [TextNode(id_=key, text=text) for key, text in dataset.corpus.items()]
    return VectorStoreIndex(nodes, embed_model=base)


TRAIN, OTHER = make_dataset(0, 120), make_dataset(1_000, 80)


@pytest.fixture
def planted() -> PlantedEmbedding:
    return PlantedEmbedding()


@pytest.fixture
def engine(planted: PlantedEmbedding, tmp_path: Path) -> EmbeddingAdapterFinetuneEngine:
    return EmbeddingAdapterFinetuneEngine(TRAIN, planted, model_output_path=tmp_path / "out")


def ndcg(index: VectorStoreIndex, model: BaseEmbedding) -> float:
    retriever = index.as_retriever(similarity_top_k=10, embed_model=model)
    return RetrieverEvaluator(retriever, ["ndcg@10"]).evaluate_dataset(OTHER).means["ndcg@10"]


def test_an_index_built_with_the_base_is_searched_better(
    engine: EmbeddingAdapterFinetuneEngine, planted: PlantedEmbedding
) -> None:
    index = make_index(OTHER, planted)
    n_texts = len(planted._texts)
    engine.finetune()
    before, after = ndcg(index, planted), ndcg(index, engine.get_finetuned_model())
    assert after > before + 0.2
    assert engine.result.verdict.startswith("adapter kept")
    assert len(planted._texts) == n_texts + len(TRAIN.corpus)  # the index was not embedded again


def test_each_text_is_embedded_exactly_once(
    engine: EmbeddingAdapterFinetuneEngine, planted: PlantedEmbedding
) -> None:
    engine.finetune()
    assert sorted(planted._queries) == sorted(TRAIN.queries.values())
    assert sorted(planted._texts) == sorted(TRAIN.corpus.values())


def test_an_index_that_holds_the_documents_spares_their_embedding(
    planted: PlantedEmbedding, tmp_path: Path
) -> None:
    index = make_index(TRAIN, planted)
    planted._texts.clear()
    EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path, index=index
    ).finetune()
    assert planted._texts == []
    assert len(planted._queries) == len(TRAIN.queries)


def test_documents_missing_from_the_index_are_embedded(
    planted: PlantedEmbedding, tmp_path: Path
) -> None:
    half = make_dataset(0, 60)
    index = make_index(half, planted)
    planted._texts.clear()
    EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path, index=index
    ).finetune()
    assert sorted(planted._texts) == sorted(set(TRAIN.corpus.values()) - set(half.corpus.values()))


def linear(engine: EmbeddingAdapterFinetuneEngine) -> LinearAdapter:
    adapter = engine.result.training.adapter
    assert isinstance(adapter, LinearAdapter)
    return adapter


def test_another_index_lends_its_spectrum(planted: PlantedEmbedding, tmp_path: Path) -> None:
    options: dict[str, Any] = {"whitenings": [0.3], "strengths": [0.1], "seen_share": 0.5}
    weights = []
    for name, index in (("alone", None), ("served", make_index(OTHER, planted))):
        engine = EmbeddingAdapterFinetuneEngine(
            TRAIN, planted, model_output_path=tmp_path / name, index=index, **options
        )
        engine.finetune()
        weights.append(linear(engine).weight)
    own, served = (
        spectral_prior(np.stack([hashed(t) for t in d.corpus.values()]).astype("f4"), exponent=0.3)
        for d in (TRAIN, OTHER)
    )
    np.testing.assert_allclose(weights[1] - weights[0], served - own, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("chroma", {}, "euclidean"),
        ("in memory", {}, "cosine"),
        ("chroma", {"similarity": "cosine"}, "cosine"),
        ("blocks", {}, "cosine"),
    ],
)
def test_it_ranks_as_the_index_does_unless_told_otherwise(
    planted: PlantedEmbedding, tmp_path: Path, kind: str, given: dict[str, Any], expected: str
) -> None:
    index: Any = make_index(TRAIN, planted)
    if kind == "chroma":
        client = chromadb.PersistentClient(str(tmp_path / "chroma"))
        store = ChromaVectorStore(client.create_collection("docs"))
        nodes = [TextNode(id_=key, text=text) for key, text in TRAIN.corpus.items()]
        context = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex(nodes, storage_context=context, embed_model=planted)
    if kind == "blocks":
        index = list(stored_vectors(index))
    planted._texts.clear()
    engine = EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path / "out", index=index, guard="off",
        n_folds=2, strengths=[0.3], **given,
    )  # fmt: skip
    engine.finetune()
    assert planted._texts == []
    assert read_adapter(tmp_path / "out").record.training["similarity"] == expected


def test_a_second_run_asks_for_nothing(planted: PlantedEmbedding, tmp_path: Path) -> None:
    for _ in range(2):
        EmbeddingAdapterFinetuneEngine(TRAIN, planted, model_output_path=tmp_path).finetune()
    assert len(planted._queries) == len(TRAIN.queries)
    assert len(planted._texts) == len(TRAIN.corpus)


def test_a_model_that_fails_midway_keeps_what_was_paid_for(tmp_path: Path) -> None:
    failing = PlantedEmbedding(fail_at=100)
    with pytest.raises(InvalidVectorsError, match="NaN"):
        EmbeddingAdapterFinetuneEngine(TRAIN, failing, cache_path=tmp_path / "c").finetune()
    healthy = PlantedEmbedding(fail_at=100)  # the same model, by its fields; 100 calls are not due
    EmbeddingAdapterFinetuneEngine(
        TRAIN, healthy, model_output_path=tmp_path / "out", cache_path=tmp_path / "c", dim=DIM
    )
    left = EmbeddingAdapterFinetuneEngine(
        make_dataset(0, 40), healthy, model_output_path=tmp_path / "out", cache_path=tmp_path / "c"
    )
    left.finetune()
    assert healthy._queries == []  # the first 80 questions were finished before the failure


def test_the_served_model_is_the_adapter_on_the_base(
    engine: EmbeddingAdapterFinetuneEngine, planted: PlantedEmbedding, tmp_path: Path
) -> None:
    engine.finetune()
    model = engine.get_finetuned_model(embed_batch_size=7)
    saved = read_adapter(tmp_path / "out")
    query = "question x about subject 5"
    expected = saved.adapter(np.array(planted.get_query_embedding(query), dtype=np.float32))
    assert model.get_query_embedding(query) == expected.tolist()
    assert model.embed_batch_size == 7
    model.verify()
    assert saved.record.base_model == "planted"
    assert saved.record.training["verdict"] == engine.result.training.verdict


def test_a_validation_set_is_measured_and_recorded(
    planted: PlantedEmbedding, tmp_path: Path
) -> None:
    engine = EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path, val_dataset=OTHER
    )
    engine.finetune()
    validation = engine.result.validation
    assert validation is not None
    index = make_index(OTHER, planted)
    assert validation["ndcg@10"].base.mean == pytest.approx(ndcg(index, planted))
    adapted = engine.get_finetuned_model()
    assert validation["ndcg@10"].adapted.mean == pytest.approx(ndcg(index, adapted))
    record = json.loads((tmp_path / "adapter.json").read_text())["record"]["training"]
    assert record["validation"]["ndcg@10"]["mean"] == validation["ndcg@10"].difference.mean


def test_labels_without_a_signal_keep_the_base(
    make_base: Callable[..., Any], tmp_path: Path
) -> None:
    base = make_base(width=DIM)
    engine = EmbeddingAdapterFinetuneEngine(TRAIN, base, model_output_path=tmp_path)
    engine.finetune()
    assert "base kept" in engine.result.training.verdict
    query = "question x about subject 5"
    assert engine.get_finetuned_model().get_query_embedding(query) == base.vector("query", query)


def test_a_memory_is_served_by_an_adapter_embedding(
    planted: PlantedEmbedding, tmp_path: Path
) -> None:
    engine = EmbeddingAdapterFinetuneEngine(
        TRAIN, planted, model_output_path=tmp_path, memory=True, guard="off", strengths=[3.0]
    )
    engine.finetune()
    memories = [row.candidate.memory for row in engine.result.training.table]
    assert any(memories)
    assert not all(memories)
    model = engine.get_finetuned_model()
    kind = engine.result.saved.adapter.kind
    assert isinstance(model, LinearAdapterEmbedding) == (kind == "linear")
    query = planted.get_query_embedding("question x about subject 5")
    expected = engine.result.saved.adapter(np.array(query, dtype=np.float32))
    assert model.get_query_embedding("question x about subject 5") == expected.tolist()


class TestOldParameters:
    """The old engine's parameters are taken; each that has no meaning any more says so."""

    def test_one_warning_names_each_with_its_replacement(
        self, planted: PlantedEmbedding, tmp_path: Path
    ) -> None:
        with pytest.warns(FutureWarning) as caught:
            EmbeddingAdapterFinetuneEngine(
                TRAIN, planted, 10, 4, model_output_path=tmp_path, device="cuda", warmup_steps=5
            )
        assert len(caught) == 1
        assert caught[0].filename == __file__
        for name in ("batch_size", "epochs", "device", "warmup_steps", "strengths"):
            assert name in str(caught[0].message)

    def test_those_with_a_meaning_keep_it(self, planted: PlantedEmbedding, tmp_path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            engine = EmbeddingAdapterFinetuneEngine(
                TRAIN, planted, dim=DIM, model_output_path=str(tmp_path), bias=True, verbose=True
            )
            engine.finetune()
        assert linear(engine).bias is not None

    def test_one_that_never_was_is_refused(self, planted: PlantedEmbedding) -> None:
        with pytest.raises(TypeError, match="unexpected arguments: learning_rate"):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, learning_rate=1.0)  # type: ignore[call-arg]


class TestRefining:
    """`from_model_path` goes on from an adapter instead of from the base."""

    def test_a_strong_pull_gives_that_adapter_back(
        self, planted: PlantedEmbedding, tmp_path: Path
    ) -> None:
        saved = SavedAdapter(
            adapter=LinearAdapter(MIXING.T), record=AdapterRecord(base_model="planted")
        )
        save_adapter(saved, tmp_path / "first")
        engine = EmbeddingAdapterFinetuneEngine.from_model_path(
            TRAIN, planted, tmp_path / "first", model_output_path=tmp_path / "x", strengths=[1e6]
        )
        engine.finetune()
        np.testing.assert_allclose(linear(engine).weight, MIXING.T, atol=1e-4)

    def test_an_adapter_of_another_model_is_refused(
        self, planted: PlantedEmbedding, tmp_path: Path
    ) -> None:
        record = AdapterRecord(base_model="another")
        save_adapter(SavedAdapter(adapter=LinearAdapter.identity(DIM), record=record), tmp_path)
        with pytest.raises(AdapterMismatchError, match=r"'another'.*'planted'"):
            EmbeddingAdapterFinetuneEngine.from_model_path(TRAIN, planted, tmp_path)

    def test_another_kind_of_start_is_refused(self, planted: PlantedEmbedding) -> None:
        with pytest.raises(AdapterMismatchError, match="expected a query_adapters LinearAdapter"):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, adapter_model=object())  # type: ignore[arg-type]


class TestRefusals:
    """Bad input is named before anything is embedded."""

    def test_a_result_before_there_is_one(self, engine: EmbeddingAdapterFinetuneEngine) -> None:
        with pytest.raises(NotFinetunedError, match=r"call finetune\(\) first"):
            engine.get_finetuned_model()

    def test_validation_on_training_questions(self, planted: PlantedEmbedding) -> None:
        with pytest.raises(LeakageError, match="240 of 240"):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, val_dataset=TRAIN)
        assert planted._queries == planted._texts == []

    def test_an_empty_dataset(self, planted: PlantedEmbedding) -> None:
        empty = SimpleNamespace(queries={}, corpus={}, relevant_docs={})
        with pytest.raises(InvalidDatasetError, match="no queries"):
            EmbeddingAdapterFinetuneEngine(empty, planted)

    def test_a_file_in_the_folders_place(self, planted: PlantedEmbedding, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(NotADirectoryError, match="expected a folder"):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, model_output_path=tmp_path / "file")

    def test_settings_out_of_range(self, planted: PlantedEmbedding) -> None:
        wrong: list[dict[str, Any]] = [{"seen_share": 1.5}, {"n_folds": 1}, {"strengths": []}]
        for options in wrong:
            with pytest.raises(ValueError, match="expected"):
                EmbeddingAdapterFinetuneEngine(TRAIN, planted, **options)

    def test_an_index_that_is_none(self, planted: PlantedEmbedding) -> None:
        with pytest.raises(TypeError, match="expected a VectorStoreIndex"):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, index="index")  # type: ignore[arg-type]

    def test_an_empty_index(self, planted: PlantedEmbedding) -> None:
        index = VectorStoreIndex([], embed_model=planted)
        with pytest.raises(InvalidVectorsError, match="at least one stored vector"):
            EmbeddingAdapterFinetuneEngine(TRAIN, planted, index=index)

    def test_a_wrong_dimension_costs_one_question(
        self, planted: PlantedEmbedding, tmp_path: Path
    ) -> None:
        engine = EmbeddingAdapterFinetuneEngine(TRAIN, planted, dim=99, model_output_path=tmp_path)
        with pytest.raises(DimensionMismatchError, match="expected 99 dimensions, got 16"):
            engine.finetune()
        assert (len(planted._queries), len(planted._texts)) == (1, 0)

    def test_an_index_of_another_model_costs_one_question(
        self, planted: PlantedEmbedding, make_base: Callable[..., Any], tmp_path: Path
    ) -> None:
        index = make_index(OTHER, make_base(width=4))
        engine = EmbeddingAdapterFinetuneEngine(
            TRAIN, planted, index=index, model_output_path=tmp_path
        )
        with pytest.raises(DimensionMismatchError, match="expected 4 dimensions, got 16"):
            engine.finetune()
        assert (len(planted._queries), len(planted._texts)) == (1, 0)


def test_the_old_guides_snippet_runs(planted: PlantedEmbedding, tmp_path: Path) -> None:
    """Line for line as in LlamaIndex's guide, but for its imports."""
    train_dataset, val_dataset, base_embed_model = TRAIN, OTHER, planted
    with pytest.warns(FutureWarning, match="epochs"):
        finetune_engine = EmbeddingAdapterFinetuneEngine(
            train_dataset,
            base_embed_model,
            model_output_path=str(tmp_path / "model_output_test"),
            epochs=4,
            verbose=True,
        )
    finetune_engine.finetune()
    embed_model = finetune_engine.get_finetuned_model()
    again = LinearAdapterEmbedding(base_embed_model, str(tmp_path / "model_output_test"))

    hits = []
    for model in (embed_model, again):
        nodes = [TextNode(id_=id_, text=text) for id_, text in val_dataset.corpus.items()]
        index = VectorStoreIndex(nodes, embed_model=model)
        retriever = index.as_retriever(similarity_top_k=10)
        for query_id, query in val_dataset.queries.items():
            retrieved_ids = [node.node.node_id for node in retriever.retrieve(query)]
            hits.append(val_dataset.relevant_docs[query_id][0] in retrieved_ids)
    assert np.mean(hits) > 0.9
    assert hits[: len(hits) // 2] == hits[len(hits) // 2 :]
