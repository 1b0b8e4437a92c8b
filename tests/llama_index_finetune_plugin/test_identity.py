"""LlamaIndex's models, adapted or not, are told apart by their vectors."""

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index_finetune_plugin.embedding import AdapterEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.embedders.identity import dim_of, identity_of, model_name_of

Make = Callable[..., Any]


class InstructedEmbedding(MockEmbedding):
    """A custom model as LlamaIndex's guide writes one, with its settings in private attributes."""

    _instruction: str = PrivateAttr()

    def __init__(self, instruction: str, **options: Any) -> None:
        super().__init__(embed_dim=2, **options)
        self._instruction = instruction


@pytest.mark.parametrize(
    "settings",
    [{"model_name": "another"}, {"dimensions": 4}, {"instruction": "query: "}, {"width": 9}],
    ids=["model", "dimension", "instruction", "any other field"],
)
def test_what_changes_vectors_changes_the_identity(make_base: Make, settings: Any) -> None:
    assert identity_of(make_base(**settings)) != identity_of(make_base())


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": "rotated"},
        {"embed_batch_size": 99},
        {"num_workers": 4},
        {"embeddings_cache": SimpleKVStore()},
        {"rate_limiter": object()},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_secrets_and_plumbing_do_not_change_it(make_base: Make, settings: Any) -> None:
    assert identity_of(make_base(**settings)) == identity_of(make_base())


def test_an_adapted_model_is_told_from_its_base_by_the_adapter(
    base: Any, make_adapter: Make
) -> None:
    model = AdapterEmbedding(base, make_adapter(1))
    first = identity_of(model)
    model.adapter = make_adapter(2)
    assert len({identity_of(base), first, identity_of(model)}) == 3


@pytest.mark.parametrize("adapter", [None, LinearAdapter.identity(8)], ids=["none", "identity"])
def test_an_adapter_that_changes_nothing_keeps_the_identity(base: Any, adapter: Any) -> None:
    assert identity_of(AdapterEmbedding(base, adapter)) == identity_of(base)


def test_a_private_instruction_tells_custom_models_apart() -> None:
    one, again, other = (identity_of(InstructedEmbedding(text)) for text in ("a", "a", "b"))
    assert one == again != other


def test_name_and_dimension_are_told_where_llama_index_keeps_them(make_base: Make) -> None:
    assert model_name_of(make_base()) == "fake/tiny-embedder"
    assert model_name_of(MockEmbedding(embed_dim=3)) == "MockEmbedding"
    assert dim_of(MockEmbedding(embed_dim=3)) == 3
    assert dim_of(make_base(dimensions=5)) == 5
    assert dim_of(make_base()) is None
