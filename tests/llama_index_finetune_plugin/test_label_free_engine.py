"""Test that the model of the label-free engine accepts LlamaIndex's options."""

from pathlib import Path
from typing import Any

from llama_index_finetune_plugin import LabelFreeFinetuneEngine
from tests.integrations.llama_index import index_of

CORPUS = {f"id {number}": f"text {number}" for number in range(30)}


def test_options_reach_the_model_and_a_retriever_takes_it(base: Any, tmp_path: Path) -> None:
    index = index_of(CORPUS, base)
    engine = LabelFreeFinetuneEngine(index, base, tmp_path)
    engine.finetune()
    model = engine.get_finetuned_model(embed_batch_size=7)
    assert model.embed_batch_size == 7
    assert len(index.as_retriever(embed_model=model).retrieve("a question")) == 2
