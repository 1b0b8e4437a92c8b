"""Tests of LlamaIndex's instructions for trained models, including known default instructions."""

from pathlib import Path
from typing import Any

import pytest
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.embeddings.huggingface.utils import get_query_instruct_for_model_name

from llama_index_finetune_plugin import (
    SentenceTransformersFinetuneEngine,
)
from llama_index_finetune_plugin.sentence_transformers import SentenceTransformersEmbedding
from tests.tiny_model import save_tiny_model, toy_dataset


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    prompts = {"query": "filler0 ", "document": "filler1 "}
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny-bert", prompts=prompts)


def test_instructions_and_length_replace_those_of_the_saved_model(tiny: str) -> None:
    model = SentenceTransformersEmbedding(tiny, device="cpu")
    assert isinstance(model, HuggingFaceEmbedding)
    text = "asked1 asked2"
    query, document = model.get_query_embedding(text), model.get_text_embedding(text)
    assert model.get_text_embedding_batch([text]) == [document]
    instructed = SentenceTransformersEmbedding(tiny, device="cpu", query_instruction="filler3 ")
    assert instructed.get_query_embedding(text) != query
    short = SentenceTransformersEmbedding(tiny, device="cpu", max_length=4)
    assert (model.max_length, short.max_length) == (32, 4)
    assert short.get_query_embedding(text) == short.get_query_embedding("asked1 asked3")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="sentence-transformers model"):
        SentenceTransformersEmbedding(tmp_path / "nowhere")


def test_the_instruction_that_llama_index_uses_for_a_model_is_part_of_it(tmp_path: Path) -> None:
    dataset = toy_dataset(n_documents=10)
    engine = SentenceTransformersFinetuneEngine(dataset, model_output_path=tmp_path)  # no download
    finetuner: Any = engine._engine._finetuner
    prompts = finetuner.prompts
    instruction = get_query_instruct_for_model_name("BAAI/bge-small-en")
    assert instruction.endswith("for searching relevant passages: ")
    assert prompts == {"query": instruction}
