"""Vectors come back out of an index as they went in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode

from llama_index_finetune_plugin.stores import stored_vectors


@pytest.fixture
def index(make_base: Callable[..., Any]) -> VectorStoreIndex:
    nodes = [TextNode(id_=f"d{i}", text=f"text {i}") for i in range(7)]
    return VectorStoreIndex(nodes, embed_model=make_base())


def test_every_row_comes_once_in_blocks_with_the_bases_vector(
    index: VectorStoreIndex, make_base: Callable[..., Any]
) -> None:
    blocks = list(stored_vectors(index, batch_size=3))
    assert [len(ids) for ids, _ in blocks] == [3, 3, 1]
    rows = {
        key: vector for ids, vectors in blocks for key, vector in zip(ids, vectors, strict=True)
    }
    expected = {f"d{i}": make_base().vector("text", f"text {i}") for i in range(7)}
    assert rows.keys() == expected.keys()
    for key, vector in expected.items():
        np.testing.assert_array_equal(rows[key], np.array(vector, dtype=np.float32))


def test_the_store_itself_will_do(index: VectorStoreIndex) -> None:
    assert len(list(stored_vectors(index.vector_store, batch_size=1))) == 7


def test_another_thing_is_named_with_the_remedy(base: BaseEmbedding) -> None:
    with pytest.raises(TypeError, match=r"got FakeEmbedding; leave `index` out"):
        list(stored_vectors(base))  # type: ignore[arg-type]
