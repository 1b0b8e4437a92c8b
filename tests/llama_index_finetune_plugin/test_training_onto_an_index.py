"""Tests of training on a LlamaIndex index: source documents and adapted models as arguments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llama_index_finetune_plugin import EmbeddingAdapterFinetuneEngine, RetrieverEvaluator
from query_adapters.errors import InvalidDatasetError
from tests.stores.kind import Chunk, OpenStore
from tests.stores.llama_index import KINDS
from tests.stores.planted import (
    HELD_OUT,
    N_DOCUMENTS,
    QUICK,
    TRAINING,
    document_vector,
    key_of,
    query_vector,
    text_of,
)

pytestmark = pytest.mark.slow

CHUNKS = [
    Chunk(key_of(n), text_of(n), {"page": f"page {n}", "source": f"file {n % 7}"})
    for n in range(N_DOCUMENTS)
]


@pytest.fixture
def planted(make_base: Callable[..., Any]) -> Any:
    return make_base(model_name="planted", query=query_vector, document=document_vector)


@pytest.mark.parametrize("name", ["in-memory", "faiss", "chroma", "qdrant", "postgres"])
def test_the_id_of_a_source_document_is_named_as_such(
    name: str, make_store: Callable[..., OpenStore], planted: Any, output: Path
) -> None:
    index = make_store(name, CHUNKS, planted).store
    with pytest.raises(InvalidDatasetError, match=r"'file 5' is the id of a source document.*-"):
        EmbeddingAdapterFinetuneEngine.from_index(
            [("who?", "file 5")], index, model_output_path=output
        )


@pytest.mark.parametrize("name", KINDS)
def test_an_index_is_searched_with_the_adapted_model_as_an_argument(
    name: str, make_store: Callable[..., OpenStore], planted: Any, output: Path
) -> None:
    index = make_store(name, CHUNKS, planted).store
    engine = EmbeddingAdapterFinetuneEngine.from_index(
        TRAINING,
        index,
        val_dataset=HELD_OUT,
        model_output_path=output,
        check_model=KINDS[name].returns_texts,
        **QUICK,
    )
    engine.finetune()
    planted.calls.clear()
    retriever = index.as_retriever(embed_model=engine.get_finetuned_model(), similarity_top_k=10)
    after = RetrieverEvaluator(retriever).evaluate_dataset(HELD_OUT).means
    assert planted.documents == []
    assert engine.result.validation is not None
    measured = engine.result.validation["ndcg@10"]
    assert measured.adapted.mean == pytest.approx(after["ndcg@10"])
    assert after["ndcg@10"] > measured.base.mean + 0.1
