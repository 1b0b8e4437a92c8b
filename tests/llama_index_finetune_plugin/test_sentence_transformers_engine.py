"""The old guide's engine for the model itself: same call, honest about what it gained."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.embeddings.huggingface.utils import get_query_instruct_for_model_name
from sentence_transformers import SentenceTransformer

from llama_index_finetune_plugin import (
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
    RetrieverEvaluator,
    SentenceTransformersFinetuneEngine,
)
from llama_index_finetune_plugin.sentence_transformers import SentenceTransformersEmbedding
from llama_index_finetune_plugin.stores import stored_vectors
from query_adapters.data.splits import split_by_document
from query_adapters.embedders.identity import identity_of
from query_adapters.errors import NotFinetunedError
from query_adapters.stores import gather
from tests.tiny_model import LEARNS, save_tiny_model, toy_dataset

QUIET: dict[str, Any] = {**LEARNS, "show_progress_bar": False, "device": "cpu"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    prompts = {"query": "filler0 ", "document": "filler1 "}
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny-bert", prompts=prompts)


@pytest.fixture(scope="module")
def datasets() -> tuple[EmbeddingQAFinetuneDataset, EmbeddingQAFinetuneDataset]:
    train, val = split_by_document(toy_dataset(), held_out=0.3)
    return (
        EmbeddingQAFinetuneDataset.from_retrieval_dataset(train),
        EmbeddingQAFinetuneDataset.from_retrieval_dataset(val),
    )


def index_of(model: BaseEmbedding, dataset: EmbeddingQAFinetuneDataset) -> VectorStoreIndex:
    nodes = [TextNode(id_=key, text=text) for key, text in dataset.corpus.items()]
    return VectorStoreIndex(nodes, embed_model=model)


def checksum(index: VectorStoreIndex) -> str:
    stored = gather(stored_vectors(index))
    return hashlib.sha256(stored.vectors[np.argsort(stored.ids)].tobytes()).hexdigest()


def ndcg(
    index: VectorStoreIndex, model: BaseEmbedding, dataset: EmbeddingQAFinetuneDataset
) -> float:
    retriever = index.as_retriever(similarity_top_k=10, embed_model=model)
    return RetrieverEvaluator(retriever).evaluate_dataset(dataset).means["ndcg@10"]


def test_the_guides_snippet_gives_a_model_that_serves_an_index_of_its_own(
    datasets: tuple[EmbeddingQAFinetuneDataset, EmbeddingQAFinetuneDataset],
    tiny: str,
    tmp_path: Path,
) -> None:
    train_dataset, val_dataset = datasets
    finetune_engine = SentenceTransformersFinetuneEngine(
        train_dataset,
        model_id=tiny,
        model_output_path=str(tmp_path / "test_model"),
        val_dataset=val_dataset,
        **QUIET,
    )
    with pytest.raises(NotFinetunedError):
        finetune_engine.get_finetuned_model()
    finetune_engine.finetune()
    embed_model = finetune_engine.get_finetuned_model()

    assert isinstance(embed_model, HuggingFaceEmbedding)
    gain = finetune_engine.result.judgement.comparison["ndcg@10"]
    assert gain.difference.low > 0.5
    index = index_of(embed_model, val_dataset)
    assert ndcg(index, embed_model, val_dataset) == pytest.approx(gain.adapted.mean, abs=1e-6)


def test_the_query_tower_serves_the_index_that_is_there_and_an_adapter_stacks_on_it(
    datasets: tuple[EmbeddingQAFinetuneDataset, EmbeddingQAFinetuneDataset],
    tiny: str,
    tmp_path: Path,
) -> None:
    train_dataset, val_dataset = datasets
    base = SentenceTransformersEmbedding(tiny, device="cpu")
    index = index_of(base, train_dataset)
    before, untuned = checksum(index), ndcg(index, base, val_dataset)
    engine = SentenceTransformersFinetuneEngine(
        train_dataset,
        tiny,
        tmp_path / "tuned",
        train="query",
        index=index,
        **{**QUIET, "epochs": 2},
    )
    engine.finetune()
    tuned = engine.get_finetuned_model()
    after_tuning = ndcg(index, tuned, val_dataset)
    assert after_tuning > untuned + 0.1

    stacked = EmbeddingAdapterFinetuneEngine(
        train_dataset, tuned, model_output_path=tmp_path / "adapter", index=index
    )
    stacked.finetune()
    adapted = stacked.get_finetuned_model()
    assert stacked.result.training.chosen is not None
    assert ndcg(index, adapted, val_dataset) > after_tuning
    assert checksum(index) == before
    text = next(iter(train_dataset.corpus.values()))
    assert base.get_text_embedding(text) == tuned.get_text_embedding(text)
    assert base.get_text_embedding(text) == adapted.get_text_embedding(text)


def test_prompts_length_and_routes_are_those_of_the_saved_model(tiny: str) -> None:
    model = SentenceTransformer(tiny, device="cpu")
    embed_model = SentenceTransformersEmbedding(tiny, device="cpu")
    text = "asked1 asked2"
    query, document = embed_model.get_query_embedding(text), embed_model.get_text_embedding(text)
    np.testing.assert_allclose(query, model.encode_query(text), atol=1e-6)
    np.testing.assert_allclose(document, model.encode_document(text), atol=1e-6)
    assert not np.allclose(query, document, atol=1e-3)
    assert embed_model.get_text_embedding_batch([text]) == [document]
    instructed = SentenceTransformersEmbedding(tiny, device="cpu", query_instruction="filler3 ")
    assert instructed.get_query_embedding(text) != query
    short = SentenceTransformersEmbedding(tiny, device="cpu", max_length=4)
    assert (embed_model.max_length, short.max_length) == (32, 4)
    assert short.get_query_embedding(text) == short.get_query_embedding("asked1 asked3")


def test_a_model_retrained_in_the_same_folder_has_another_identity(tmp_path: Path) -> None:
    folder = str(tmp_path / "model")
    identities = set()
    for seed in (0, 1):
        save_tiny_model(Path(folder), seed=seed)
        identities.add(identity_of(SentenceTransformersEmbedding(folder, device="cpu")))
    again = identity_of(SentenceTransformersEmbedding(folder, device="cpu"))
    assert len(identities) == 2
    assert again in identities


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="sentence-transformers model"):
        SentenceTransformersEmbedding(tmp_path / "nowhere")


def test_the_instruction_that_llama_index_uses_for_a_model_is_part_of_it(tmp_path: Path) -> None:
    dataset = toy_dataset(n_documents=10)
    engine = SentenceTransformersFinetuneEngine(dataset, model_output_path=tmp_path)  # no download
    prompts = engine._engine._finetuner.prompts
    instruction = get_query_instruct_for_model_name("BAAI/bge-small-en")
    assert instruction.endswith("for searching relevant passages: ")
    assert prompts == {"query": instruction}
