"""Tests of resolving models by name."""

import pytest

from query_adapters.embedders import EMBEDDERS, resolve_embedder
from query_adapters.errors import UnknownModelError


class Remembers:
    """An embedder that stores its constructor arguments."""

    def __init__(self, model: str, **settings: object) -> None:
        self.model_name, self.settings = model, settings


def test_a_provider_of_ones_own_gets_the_name_and_the_options_that_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(EMBEDDERS, "mine", Remembers)
    model = resolve_embedder("mine:models/a:b", dimensions=None, batch_size=3)
    assert isinstance(model, Remembers)
    assert (model.model_name, model.settings) == ("models/a:b", {"batch_size": 3})


@pytest.mark.parametrize("name", ["", "text-embedding-3-small", "openia:x", "openai:", ":x"])
def test_an_unknown_name_lists_the_providers(name: str) -> None:
    told = "<provider>:<model>, got .*; providers are openai, cohere, sentence-transformers"
    with pytest.raises(UnknownModelError, match=told):
        resolve_embedder(name)
