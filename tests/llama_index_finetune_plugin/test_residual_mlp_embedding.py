"""A residual network behind LlamaIndex: served as it is, and not taken for a linear adapter."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llama_index_finetune_plugin import AdapterEmbedding, LinearAdapterEmbedding
from query_adapters.adapters import LinearAdapter, ResidualMLPAdapter
from query_adapters.errors import AdapterMismatchError
from query_adapters.storage import save_adapter


@pytest.fixture
def residual(adapter: LinearAdapter) -> ResidualMLPAdapter:
    rng = np.random.default_rng(1)
    dim = adapter.dim_in
    return ResidualMLPAdapter(
        adapter, rng.normal(size=(4, dim)), rng.normal(size=4), rng.normal(size=(dim, 4))
    )


@pytest.mark.parametrize("from_folder", [False, True])
async def test_queries_go_through_the_network_and_documents_past_it(
    base: Any, residual: ResidualMLPAdapter, tmp_path: Path, from_folder: bool
) -> None:
    model = AdapterEmbedding(base, save_adapter(residual, tmp_path) if from_folder else residual)
    expected = residual(np.array(base.vector("query", "one"), dtype=np.float32)).tolist()
    assert model.get_query_embedding("one") == expected
    assert await model.aget_query_embedding("one") == expected
    assert model.get_text_embedding("one") == base.vector("text", "one")


def test_a_linear_model_refuses_it(base: Any, residual: ResidualMLPAdapter) -> None:
    with pytest.raises(AdapterMismatchError, match="expected a linear adapter, got a residual_mlp"):
        LinearAdapterEmbedding(base, residual)
