"""The label-free engine: an index in, an embedding model out, and no promise without a check."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.vector_stores.chroma import ChromaVectorStore

from llama_index_finetune_plugin import (
    EmbeddingQAFinetuneDataset,
    LabelFreeFinetuneEngine,
    LinearAdapterEmbedding,
)
from llama_index_finetune_plugin.stores import stored_vectors
from query_adapters.adapters.storage import read_adapter
from query_adapters.errors import (
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    NotFinetunedError,
)
from query_adapters.stores import gather
from query_adapters.training import whitening_adapter

TEXTS = [f"text {number}" for number in range(30)]


def make_index(base: Any, texts: list[str] = TEXTS) -> VectorStoreIndex:
    nodes = [TextNode(id_=f"id {text}", text=text) for text in texts]
    return VectorStoreIndex(nodes, embed_model=base)


def questions(texts: list[str]) -> EmbeddingQAFinetuneDataset:
    return EmbeddingQAFinetuneDataset(
        queries={f"q {text}": f"question about {text}" for text in texts},
        corpus={f"id {text}": text for text in texts},
        relevant_docs={f"q {text}": [f"id {text}"] for text in texts},
    )


def test_an_index_alone_gives_a_model_that_searches_it(base: Any, tmp_path: Path) -> None:
    index = make_index(base)
    base.calls.clear()
    engine = LabelFreeFinetuneEngine(index, base, tmp_path, exponent=0.3)
    engine.finetune()
    assert [call for call, _ in base.calls] == ["query"]  # one question, no document
    documents = np.array([base.vector("text", text) for text in TEXTS], dtype=np.float32)
    expected = whitening_adapter(documents, exponent=0.3)
    assert engine.result.saved.adapter.fingerprint == expected.fingerprint
    model = engine.get_finetuned_model(embed_batch_size=7)
    assert isinstance(model, LinearAdapterEmbedding)
    assert model.embed_batch_size == 7
    query = np.array(base.vector("query", "a question"), dtype=np.float32)
    assert model.get_query_embedding("a question") == expected(query).tolist()
    assert model.get_text_embedding("text 3") == base.vector("text", "text 3")
    assert len(index.as_retriever(embed_model=model).retrieve("a question")) == 2
    model.verify()


def test_the_verdict_says_that_nothing_was_checked_and_stays_with_the_folder(
    base: Any, tmp_path: Path
) -> None:
    engine = LabelFreeFinetuneEngine(make_index(base), base, tmp_path)
    engine.finetune()
    assert engine.result.whitening.verdict.startswith("not checked: no labelled questions")
    record = read_adapter(tmp_path).record
    assert record.training["verdict"] == engine.result.whitening.verdict
    assert record.training["exponent"] == 0.15


def test_check_questions_decide(base: Any, tmp_path: Path) -> None:
    given: dict[str, Any] = {"check_dataset": questions(TEXTS), "exponent": 0.5}
    index, kept = make_index(base), {}
    for guard in ("strict", "off"):
        engine = LabelFreeFinetuneEngine(index, base, tmp_path / guard, guard=guard, **given)
        engine.finetune()
        assert engine.result.whitening.comparison is not None
        kept[guard] = not engine.result.saved.adapter.is_identity
    assert kept == {"strict": False, "off": True}


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "euclidean"), ({"similarity": "cosine"}, "cosine")]
)
def test_it_ranks_as_the_index_does_unless_told_otherwise(
    base: Any, tmp_path: Path, given: dict[str, Any], expected: Any
) -> None:
    client = chromadb.PersistentClient(str(tmp_path / "chroma"))
    store = ChromaVectorStore(client.create_collection("docs"))
    context = StorageContext.from_defaults(vector_store=store)
    nodes = [TextNode(id_=f"id {text}", text=text) for text in TEXTS]
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=base)
    engine = LabelFreeFinetuneEngine(index, base, tmp_path / "out", **given)
    engine.finetune()
    assert read_adapter(tmp_path / "out").record.training["similarity"] == expected
    stored = gather(stored_vectors(index)).vectors
    adapter = whitening_adapter(stored, similarity=expected)
    assert engine.result.saved.adapter.fingerprint == adapter.fingerprint


def test_an_unknown_setting_is_named(base: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected arguments: epochs"):
        LabelFreeFinetuneEngine(make_index(base), base, tmp_path, epochs=4)  # type: ignore[call-arg]


def test_a_model_before_there_is_one_is_refused(base: Any, tmp_path: Path) -> None:
    engine = LabelFreeFinetuneEngine(make_index(base), base, tmp_path)
    with pytest.raises(NotFinetunedError, match=r"call finetune\(\) first"):
        engine.get_finetuned_model()


def test_answers_outside_the_index_are_refused(base: Any, tmp_path: Path) -> None:
    index, check = make_index(base), questions(["elsewhere"])
    with pytest.raises(InvalidDatasetError, match="'id elsewhere'"):
        LabelFreeFinetuneEngine(index, base, tmp_path, check_dataset=check)


def test_an_empty_index_is_refused(base: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidVectorsError, match="at least one stored vector"):
        LabelFreeFinetuneEngine(make_index(base, []), base, tmp_path)


def test_an_index_of_another_model_costs_one_question(
    base: Any, make_base: Callable[..., Any], tmp_path: Path
) -> None:
    engine = LabelFreeFinetuneEngine(make_index(make_base(width=4)), base, tmp_path)
    base.calls.clear()
    with pytest.raises(DimensionMismatchError, match="expected 4 dimensions, got 8"):
        engine.finetune()
    assert [call for call, _ in base.calls] == ["query"]
