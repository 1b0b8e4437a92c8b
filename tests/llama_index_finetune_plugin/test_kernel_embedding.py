"""An adapter with a memory behind LlamaIndex: served as it is, and not taken for a linear one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llama_index_finetune_plugin import AdapterEmbedding, LinearAdapterEmbedding
from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.adapters.storage import save_adapter
from query_adapters.errors import AdapterMismatchError


@pytest.fixture
def remembering(base: Any, adapter: LinearAdapter) -> KernelAdapter:
    """An adapter that remembers two questions of the base."""
    questions = np.array([base.vector("query", text) for text in ("one", "two")])
    landmarks = questions / np.linalg.norm(questions, axis=1, keepdims=True)
    values = 5 * np.random.default_rng(1).normal(size=landmarks.shape)
    return KernelAdapter(adapter, landmarks, values, 5.0)


@pytest.mark.parametrize("from_folder", [False, True])
async def test_queries_go_through_the_memory_and_documents_past_it(
    base: Any, remembering: KernelAdapter, tmp_path: Path, from_folder: bool
) -> None:
    source = save_adapter(remembering, tmp_path) if from_folder else remembering
    model = AdapterEmbedding(base, source)
    query = np.array(base.vector("query", "one"), dtype=np.float32)
    expected = remembering(query).tolist()
    assert model.get_query_embedding("one") == expected
    assert await model.aget_query_embedding("one") == expected
    assert not np.allclose(expected, remembering.linear(query), atol=0.1)
    assert model.get_text_embedding("one") == base.vector("document", "one")


@pytest.mark.parametrize("from_folder", [False, True])
def test_a_linear_embedding_refuses_it_and_names_the_way_out(
    base: Any, remembering: KernelAdapter, tmp_path: Path, from_folder: bool
) -> None:
    source = save_adapter(remembering, tmp_path) if from_folder else remembering
    with pytest.raises(AdapterMismatchError, match=r"linear.*kernel.*use AdapterEmbedding"):
        LinearAdapterEmbedding(base, source)
