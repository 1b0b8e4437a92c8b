"""Tests of the identity of LlamaIndex models."""

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.storage.kvstore import SimpleKVStore

from query_adapters.embedders.identity import dim_of, identity_of, model_name_of

Make = Callable[..., Any]


class InstructedEmbedding(MockEmbedding):
    """A custom model as in LlamaIndex's guide, with settings in private attributes."""

    _instruction: str = PrivateAttr()

    def __init__(self, instruction: str, **options: Any) -> None:
        super().__init__(embed_dim=2, **options)
        self._instruction = instruction


@pytest.mark.parametrize(
    "settings",
    [
        {"num_workers": 4},
        {"embeddings_cache": SimpleKVStore()},
        {"rate_limiter": object()},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_workers_caches_and_limiters_do_not_change_it(make_base: Make, settings: Any) -> None:
    assert identity_of(make_base(**settings)) == identity_of(make_base())


def test_a_private_instruction_changes_the_identity_of_a_custom_model() -> None:
    one, again, other = (identity_of(InstructedEmbedding(text)) for text in ("a", "a", "b"))
    assert one == again != other


def test_name_and_dimension_are_found_where_llama_index_keeps_them(make_base: Make) -> None:
    assert model_name_of(make_base()) == "fake/tiny-embedder"
    assert model_name_of(MockEmbedding(embed_dim=3)) == "MockEmbedding"
    assert dim_of(MockEmbedding(embed_dim=3)) == 3
    assert dim_of(make_base(dimensions=5)) == 5
    assert dim_of(make_base()) is None
