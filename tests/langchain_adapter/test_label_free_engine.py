"""Test that the label-free engine uses the model of the vector store by default."""

from pathlib import Path
from typing import Any

import pytest

from langchain_adapter import AdapterEmbeddings, LabelFreeFinetuneEngine
from query_adapters.adapters.storage import read_adapter
from tests.integrations.langchain import store_of

CORPUS = {f"id {number}": f"text {number}" for number in range(30)}


def test_the_model_of_the_store_is_whitened(base: Any, tmp_path: Path) -> None:
    store = store_of(CORPUS, base)
    base.calls.clear()
    engine = LabelFreeFinetuneEngine(store, model_output_path=tmp_path)
    engine.finetune()
    assert [call for call, _ in base.calls] == ["query"]
    assert engine.get_finetuned_model().base is base


def test_a_store_with_an_adapted_model_is_whitened_for_its_base(base: Any, tmp_path: Path) -> None:
    LabelFreeFinetuneEngine(store_of(CORPUS, base), base, tmp_path / "first").finetune()
    served = store_of(CORPUS, AdapterEmbeddings(base, tmp_path / "first"))
    engine = LabelFreeFinetuneEngine(served, model_output_path=tmp_path / "again")
    engine.finetune()
    first, again = (read_adapter(tmp_path / name).adapter for name in ("first", "again"))
    assert again.fingerprint == first.fingerprint
    assert engine.get_finetuned_model().base is base


def test_blocks_need_a_model(base: Any, tmp_path: Path) -> None:
    blocks: Any = [(["a"], base.embed_documents(["a"]))]
    with pytest.raises(TypeError, match="expected a LangChain embedding model, got none"):
        LabelFreeFinetuneEngine(blocks, model_output_path=tmp_path)
