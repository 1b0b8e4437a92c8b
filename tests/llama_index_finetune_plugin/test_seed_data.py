"""Measure the gain on the data and model of LlamaIndex's guide, through an index.

The tests train on Lyft's filing and serve Uber's, which share no documents. They are skipped if
the data are not available.
"""

from pathlib import Path
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode

from llama_index_finetune_plugin import (
    CachedEmbedding,
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
    RetrieverEvaluator,
)

pytestmark = pytest.mark.slow

Datasets = tuple[EmbeddingQAFinetuneDataset, EmbeddingQAFinetuneDataset]


@pytest.fixture(scope="module")
def datasets(data_folder: Path) -> Datasets:
    folder = data_folder / "lyft_uber_llamaindex"
    if not folder.is_dir():
        pytest.skip("the seed data are not here")
    train, val = (
        EmbeddingQAFinetuneDataset.from_json(folder / f"{name}_dataset.json")
        for name in ("train", "val")
    )
    return train, val


def index_of(dataset: EmbeddingQAFinetuneDataset, base: BaseEmbedding) -> VectorStoreIndex:
    nodes = [TextNode(id_=key, text=text) for key, text in dataset.corpus.items()]
    return VectorStoreIndex(nodes, embed_model=base)


def test_training_costs_each_text_once_and_no_document_that_the_index_holds(
    datasets: Datasets, make_base: Any, tmp_path: Path
) -> None:
    train, _ = datasets
    base = make_base()
    index = index_of(train, base)
    counts = []
    for name, known in (("fresh", None), ("stored", index)):
        base.calls.clear()
        EmbeddingAdapterFinetuneEngine(
            train, base, model_output_path=tmp_path / name, index=known
        ).finetune()
        texts = {"query": 0, "batch": 0}
        for call, batch in base.calls:
            texts[call] += len(batch)
        counts.append(texts)
    n_texts = len(set(train.queries.values()))  # 668 questions, ten of them duplicates
    assert (len(train.queries), n_texts) == (668, 658)
    assert counts == [{"query": 658, "batch": 334}, {"query": 658, "batch": 0}]


def test_an_adapter_from_lyft_serves_uber_better(
    datasets: Datasets, minilm: str, tmp_path: Path
) -> None:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    train, val = datasets
    model = HuggingFaceEmbedding(minilm, embed_batch_size=32)
    base = CachedEmbedding(model, tmp_path / "vectors.sqlite")  # each text is embedded once
    index = index_of(val, base)

    def ndcg(model: BaseEmbedding) -> float:
        retriever = index.as_retriever(similarity_top_k=10, embed_model=model)
        return RetrieverEvaluator(retriever).evaluate_dataset(val).means["ndcg@10"]

    def tuned(**options: Any) -> BaseEmbedding:
        engine = EmbeddingAdapterFinetuneEngine(
            train, base, model_output_path=tmp_path / "adapter", **options
        )
        engine.finetune()
        return engine.get_finetuned_model()

    assert ndcg(base) == pytest.approx(0.641, abs=0.002)
    assert ndcg(tuned()) >= 0.649
    assert ndcg(tuned(index=index)) >= 0.656
