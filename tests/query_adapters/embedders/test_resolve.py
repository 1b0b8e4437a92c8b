"""Tests of resolving models by name."""

import numpy as np
import pytest

from query_adapters.embedders import EMBEDDERS, Prefixes, preset_of, resolve_embedder
from query_adapters.embedders.prefixes import FOR_SEARCH
from query_adapters.errors import UnknownModelError
from query_adapters.typing import Vectors


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
    told = "<provider>/<model>, got .*; providers are openai, cohere, sentence-transformers"
    with pytest.raises(UnknownModelError, match=told):
        resolve_embedder(name)


@pytest.mark.parametrize("name", ["mine/models/a:b", "mine:models/a:b"])
def test_a_name_is_split_at_the_first_colon_or_slash(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EMBEDDERS, "mine", Remembers)
    assert resolve_embedder(name).model_name == "models/a:b"


def test_a_name_holds_options_and_arguments_come_before_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(EMBEDDERS, "mine", Remembers)
    name = "mine/m?dimensions=5&base_url=http://localhost:1/v1"
    made = resolve_embedder(name, dimensions=6)
    assert isinstance(made, Remembers)
    assert made.settings == {"dimensions": 6, "base_url": "http://localhost:1/v1"}
    assert resolve_embedder(name).settings["dimensions"] == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("written", ["lengths=5", "dimensions=five"])
def test_an_unknown_option_in_a_name_is_refused(written: str) -> None:
    with pytest.raises(UnknownModelError, match="options being dimensions, query_prefix"):
        resolve_embedder(f"openai/m?{written}")


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("cohere/embed-v4.0?base_url=http://localhost:1", "dimensions"),
        ("model2vec/m?dimensions=64", "prefixes alone"),
    ],
)
def test_an_option_that_a_provider_does_not_take_is_refused(name: str, taken: str) -> None:
    with pytest.raises(UnknownModelError, match=rf"takes \({taken}\), got"):
        resolve_embedder(name)


def test_the_prefixes_of_a_family_are_added_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    class Recording(Remembers):
        separates_roles = False

        def embed_documents(self, texts: list[str]) -> Vectors:
            asked.extend(texts)
            return np.ones((len(texts), 2), dtype=np.float32)

        embed_queries = embed_documents

    monkeypatch.setitem(EMBEDDERS, "mine", Recording)
    caplog.set_level("INFO")
    model = resolve_embedder("mine/intfloat/e5-small-v2")
    model.embed_queries(["a"])
    model.embed_documents(["a"])
    assert asked == ["query: a", "passage: a"]
    assert "family E5: by default 'query: ' before queries" in caplog.text
    other = resolve_embedder("mine/e5-small-v2?query_prefix=q: ", document_prefix="")
    other.embed_queries(["a"])
    other.embed_documents(["a"])
    assert asked[2:] == ["q: a", "a"]
    monkeypatch.setattr(Recording, "separates_roles", True)
    assert isinstance(resolve_embedder("mine/e5-small-v2"), Recording)


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("e5-small-v2.Q8_0.gguf", "query: ", "passage: "),
        ("nomic-embed-text:latest", "search_query: ", "search_document: "),
        ("text-embedding-nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("snowflake-arctic-embed2:latest", "query: ", ""),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", FOR_SEARCH, ""),
        ("BAAI/bge-base-en-v1.5", FOR_SEARCH, ""),
        ("mixedbread-ai/mxbai-embed-large-v1", FOR_SEARCH, ""),
        ("google/embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
    ],
)
def test_a_family_is_found_by_the_name_of_a_model(name: str, query: str, document: str) -> None:
    found = preset_of(name)
    assert found is not None
    assert found.prefixes == Prefixes(query=query, document=document)


@pytest.mark.parametrize(
    "name",
    ["BAAI/bge-m3", "thenlper/gte-small", "all-MiniLM-L6-v2", "text-embedding-3-small", "voyage-4"],
)
def test_other_models_have_no_prefixes(name: str) -> None:
    assert preset_of(name) is None


def test_models_with_instructions_have_them_before_queries_alone() -> None:
    for name in ("intfloat/multilingual-e5-large-instruct", "Qwen/Qwen3-Embedding-0.6B"):
        found = preset_of(name)
        assert found is not None
        assert found.prefixes.query.startswith("Instruct: ")
        assert found.prefixes.document == ""
