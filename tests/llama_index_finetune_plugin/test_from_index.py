"""Training onto every index as it is: read, not embedded, not written to, refused if it must be."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from pydantic import PrivateAttr

from llama_index_finetune_plugin import (
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
    LinearAdapterEmbedding,
    RetrieverEvaluator,
)
from llama_index_finetune_plugin.stores import stored_similarity, stored_vectors
from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    LeakageError,
)
from query_adapters.evaluation import evaluate_vectors
from query_adapters.stores import gather
from tests.stores.llama_index import SHOPS
from tests.stores.place import DIM, Place
from tests.stores.planted import (
    HELD_OUT,
    N_DOCUMENTS,
    N_LABELLED,
    QUICK,
    TRAINING,
    document_vector,
    key_of,
    query_vector,
    text_of,
)

GIVE_NO_NODES = ("lancedb", "postgres-half")


class PlantedEmbedding(BaseEmbedding):
    """Vectors with something to learn; remembers the documents that it embedded."""

    model_name: str = "planted"
    twist: int = 0
    width: int = DIM
    _texts: list[str] = PrivateAttr(default_factory=list)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._twisted(query_vector(query))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        self._texts.append(text)
        return self._twisted(document_vector(text))

    def _twisted(self, vector: list[float]) -> list[float]:
        return (vector[self.twist :] + vector[: self.twist])[: self.width]


@pytest.fixture
def base() -> PlantedEmbedding:
    return PlantedEmbedding()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def make_index(place: Place, base: PlantedEmbedding) -> Iterator[Callable[[str], VectorStoreIndex]]:
    """An index of one of the stores; each node has metadata, which are embedded too."""
    made = []

    def make(name: str) -> VectorStoreIndex:
        nodes = [node_of(number) for number in range(N_DOCUMENTS)]
        made.append((SHOPS[name], SHOPS[name].build(place, nodes, base)))
        base._texts.clear()
        return made[-1][1]

    yield make
    for shop, index in made:
        shop.close(index)


def node_of(number: int) -> TextNode:
    source = RelatedNodeInfo(node_id=f"file {number % 7}")
    return TextNode(
        id_=key_of(number),
        text=text_of(number),
        metadata={"page": f"page {number}"},
        relationships={NodeRelationship.SOURCE: source},
    )


def engine_on(index: Any, output: Path, **options: Any) -> EmbeddingAdapterFinetuneEngine:
    settings: dict[str, Any] = {"dataset": TRAINING, "model_output_path": output, **QUICK}
    return EmbeddingAdapterFinetuneEngine.from_index(**(settings | {"index": index} | options))


def content(index: Any) -> dict[str, bytes]:
    return {
        key: vector.tobytes()
        for keys, vectors in stored_vectors(index)
        for key, vector in zip(keys, vectors, strict=True)
    }


def exact(index: Any, model: BaseEmbedding) -> dict[str, float]:
    """Metrics of exact search over the vectors read back."""
    stored = gather(stored_vectors(index))
    queries = np.array([model.get_query_embedding(text) for text in HELD_OUT.queries.values()])
    rows = [[stored.row_of[key] for key in HELD_OUT.qrels[query]] for query in HELD_OUT.queries]
    dataset = EmbeddedDataset(queries.astype("f4"), stored.vectors, tuple(map(np.array, rows)))
    return evaluate_vectors(dataset, similarity=stored_similarity(index) or "cosine").means


def through(index: VectorStoreIndex, model: BaseEmbedding) -> dict[str, float]:
    retriever = index.as_retriever(embed_model=model, similarity_top_k=10)
    return RetrieverEvaluator(retriever).evaluate_dataset(HELD_OUT).means


@pytest.mark.parametrize("name", SHOPS)
def test_an_index_is_trained_onto_as_it_is(
    name: str, make_index: Callable[..., VectorStoreIndex], base: PlantedEmbedding, output: Path
) -> None:
    index = make_index(name)
    before = through(index, base)
    there = content(index)  # after a search: Qdrant's own client rescales at the first
    engine = engine_on(index, output, val_dataset=HELD_OUT, check_model=False)
    engine.finetune()
    adapted = engine.get_finetuned_model()
    after = through(index, adapted)
    assert base._texts == []
    assert content(index) == there
    assert engine.result.training.n_documents == N_DOCUMENTS
    assert engine.result.saved.record.training["similarity"] == SHOPS[name].similarity
    assert after["ndcg@10"] > before["ndcg@10"] + 0.1
    assert before == pytest.approx(exact(index, base))
    assert after == pytest.approx(exact(index, adapted))
    measured = engine.result.validation
    assert measured is not None
    assert measured["ndcg@10"].base.mean == pytest.approx(before["ndcg@10"])
    assert measured["ndcg@10"].adapted.mean == pytest.approx(after["ndcg@10"])


@pytest.mark.parametrize("name", SHOPS)
def test_the_model_is_checked_on_three_nodes_where_the_store_gives_them_back(
    name: str,
    make_index: Callable[..., VectorStoreIndex],
    base: PlantedEmbedding,
    output: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    index = make_index(name)
    with caplog.at_level(logging.INFO):
        engine_on(index, output)
    n_checked = 0 if name in GIVE_NO_NODES else 3
    assert len(base._texts) == n_checked
    assert all(text.startswith("page: page") for text in base._texts)
    assert ("not checked against the model" in caplog.text) == (n_checked == 0)
    if n_checked:
        with pytest.raises(AdapterMismatchError, match=r"not made by planted.* check_model=False"):
            engine_on(index, output, embed_model=PlantedEmbedding(twist=1))
    assert not output.exists()


def test_a_model_of_another_length_is_refused(
    make_index: Callable[..., VectorStoreIndex], output: Path
) -> None:
    with pytest.raises(DimensionMismatchError, match="expected 5 dimensions, got 8; give the"):
        engine_on(make_index("chroma"), output, embed_model=PlantedEmbedding(width=5))
    assert not output.exists()


@pytest.mark.parametrize("is_adapted", [False, True])
def test_the_model_is_the_indexs_own_without_its_adapter(
    is_adapted: bool,
    make_index: Callable[..., VectorStoreIndex],
    base: PlantedEmbedding,
    output: Path,
) -> None:
    index = make_index("simple")
    if is_adapted:
        index._embed_model = LinearAdapterEmbedding(base, LinearAdapter(np.eye(DIM)[::-1]))
    engine = engine_on(index, output)
    engine.finetune()
    assert engine.get_finetuned_model().base_embed_model is base


@pytest.mark.parametrize("name", SHOPS)
def test_a_node_that_is_gone_is_named_before_anything_is_embedded(
    name: str, make_index: Callable[..., VectorStoreIndex], base: PlantedEmbedding, output: Path
) -> None:
    index, gone = make_index(name), [key_of(3), key_of(7)]
    if SHOPS[name].delete is None:
        pairs = [*TRAINING, ("who?", key_of(1_000)), ("where?", key_of(1_001))]
        gone = [key_of(1_000), key_of(1_001)]
        n_labelled = N_LABELLED + 2
    else:
        SHOPS[name].delete(index.vector_store, gone)  # type: ignore[misc]
        pairs, n_labelled = TRAINING, N_LABELLED
    expected = rf"without 2 of {n_labelled}, such as '{gone[0]}', '{gone[1]}'; .*node_id"
    with pytest.raises(InvalidDatasetError, match=expected):
        engine_on(index, output, dataset=pairs)
    assert base._texts == []
    assert not output.exists()


@pytest.mark.parametrize("name", ["simple", "faiss", "chroma", "qdrant", "postgres"])
def test_a_source_document_is_told_from_its_nodes(
    name: str, make_index: Callable[..., VectorStoreIndex], output: Path
) -> None:
    index = make_index(name)
    with pytest.raises(InvalidDatasetError, match=r"'file 5' is the id of a source document.*-"):
        engine_on(index, output, dataset=[("who?", "file 5")])


@pytest.mark.parametrize("name", SHOPS)
def test_an_empty_index_is_refused(
    name: str, place: Place, base: PlantedEmbedding, output: Path
) -> None:
    index = SHOPS[name].build(place, [], base)
    with pytest.raises(InvalidVectorsError, match="at least one stored vector, got an empty"):
        engine_on(index, output)
    SHOPS[name].close(index)
    assert not output.exists()


@pytest.mark.parametrize("memory_map", [False, True])
def test_an_index_that_is_emptied_while_it_is_read_is_refused(
    memory_map: bool,
    make_index: Callable[..., VectorStoreIndex],
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index: Any = make_index("chroma")
    collection = index.vector_store.client
    get = type(collection).get

    def get_and_empty(self: Any, **wanted: Any) -> Any:
        found = get(self, **wanted)
        if wanted == {"include": []}:  # all ids are known now, and no vector is
            self.delete(ids=found["ids"][-5:])
        return found

    monkeypatch.setattr(type(collection), "get", get_and_empty)
    with pytest.raises(InvalidVectorsError, match=r"expected the 60 vectors .* got 55; rows went"):
        engine_on(index, output, memory_map=memory_map)
    assert not output.exists()


@pytest.mark.parametrize("number", [0, N_DOCUMENTS])
def test_vectors_of_two_lengths_are_refused(
    number: int, make_index: Callable[..., VectorStoreIndex], output: Path
) -> None:
    index: Any = make_index("simple")
    index.vector_store.data.embedding_dict[key_of(number)] = [1.0, 2.0]
    with pytest.raises(DimensionMismatchError, match="keep the vectors of one embedding model"):
        engine_on(index, output, memory_map=True)
    assert not output.exists()


def test_leaked_questions_are_refused_before_anything_is_embedded(
    make_index: Callable[..., VectorStoreIndex], base: PlantedEmbedding, output: Path
) -> None:
    with pytest.raises(LeakageError):
        engine_on(make_index("simple"), output, val_dataset=TRAINING[:3])
    assert base._texts == []


@pytest.mark.parametrize("most", [0, 5, None])
def test_of_a_large_index_a_sample_is_read_and_the_share_of_seen_documents_is_the_indexs(
    most: int | None, make_index: Callable[..., VectorStoreIndex], output: Path
) -> None:
    index = make_index("qdrant")
    engine = engine_on(index, output, max_documents=most)
    engine.finetune()
    n_others = N_DOCUMENTS - N_LABELLED if most is None else most
    assert engine.result.training.n_documents == N_LABELLED + n_others
    row = engine.result.training.table[-1]
    assert row.seen is not None
    assert row.unseen is not None
    share = N_LABELLED / N_DOCUMENTS
    expected = share * row.seen.mean + (1 - share) * row.unseen.mean
    assert row.overall.mean == pytest.approx(expected)


def test_vectors_may_be_kept_in_a_file(
    make_index: Callable[..., VectorStoreIndex], output: Path, tmp_path: Path
) -> None:
    index = make_index("faiss")
    engines = [
        engine_on(index, output / str(at), memory_map=memory_map)
        for at, memory_map in enumerate([False, True, tmp_path / "kept.npy"])
    ]
    for engine in engines:
        engine.finetune()
    prints = {engine.result.saved.adapter.fingerprint for engine in engines}
    assert len(prints) == 1
    assert np.load(output / "1" / "index.npy").shape == (N_DOCUMENTS, DIM)
    assert np.load(tmp_path / "kept.npy").shape == (N_DOCUMENTS, DIM)


def test_a_dataset_with_texts_is_trained_as_its_pairs_are(
    make_index: Callable[..., VectorStoreIndex], base: PlantedEmbedding, output: Path
) -> None:
    index = make_index("chroma")
    dataset = EmbeddingQAFinetuneDataset(
        queries={text: text for text, _ in TRAINING},
        corpus={"another": "not in the index", **HELD_OUT.corpus},
        relevant_docs={text: [key] for text, key in TRAINING},
    )
    engines = [
        engine_on(index, output / str(at), dataset=given, check_model=False)
        for at, given in enumerate([TRAINING, dict(TRAINING), dataset])
    ]
    for engine in engines:
        engine.finetune()
    assert len({engine.result.saved.adapter.fingerprint for engine in engines}) == 1
    assert base._texts == []
