"""Test that answers are located in the indexes of both frameworks, and nothing is embedded."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

import langchain_adapter
import llama_index_finetune_plugin
from query_adapters.data.answers import AnsweredQuestion
from query_adapters.errors import InvalidDatasetError, UnreadableStoreError
from tests.integrations.both import each_store
from tests.integrations.framework import Framework
from tests.stores.kind import Chunk, OpenStore

PACKAGES = {"LlamaIndex": llama_index_finetune_plugin, "LangChain": langchain_adapter}
OLD = {
    "a": "The harbour is four miles away, beyond the old lighthouse. Only members",
    "b": "may fish there, on Sundays from the quay. The ferry leaves at noon",
    "c": "and comes back before the gates of the town are closed for the night.",
}
WORDS = " ".join(OLD.values()).split()
NEW = {f"n{row}": " ".join(WORDS[row * 8 : row * 8 + 8]) for row in range(5)}


@pytest.fixture
def package(framework: Framework) -> Any:
    return PACKAGES[framework.label]


@each_store()
@pytest.mark.slow
def test_answers_are_located_in_every_store_that_returns_texts(
    framework: Framework,
    package: Any,
    make_store: Callable[..., OpenStore],
    base: Any,
    name: str,
) -> None:
    keys = {key: str(uuid4()) for key in OLD}  # some stores take no other ids
    chunks = [Chunk(keys[key], text, {"kind": "even"}) for key, text in OLD.items()]
    opened = make_store(name, chunks, base)
    base.calls.clear()
    asked = [
        ("who?", "fish there, on Sundays from the quay"),
        AnsweredQuestion("when?", answer="at NOON"),
    ]
    if not opened.kind.returns_texts:
        with pytest.raises(InvalidDatasetError, match="has to return its texts"):
            package.locate(asked, opened.store)
        return
    found = package.locate(asked, opened.store)
    assert {query: set(grades) for query, grades in found.qrels.items()} == {
        "who?": {keys["b"]},
        "when?": {keys["b"]},
    }
    assert found.dataset.corpus == {keys["b"]: OLD["b"]}, "the text has no metadata in it"
    assert base.calls == []


def test_labels_move_to_an_index_of_other_chunks(
    framework: Framework, package: Any, base: Any
) -> None:
    old, new = framework.stores.in_memory(OLD, base), framework.stores.in_memory(NEW, base)
    base.calls.clear()
    by_index = package.relocate({"q": "c"}, old, new, min_similarity=1)
    by_text = package.relocate({"q": "c"}, OLD, new, min_similarity=1)
    assert by_index.qrels == by_text.qrels
    assert set(by_index.qrels["q"]) == {"n3", "n4"}
    assert base.calls == []


def test_something_else_than_an_index_is_refused(package: Any) -> None:
    with pytest.raises(UnreadableStoreError):
        package.locate([("q", "text")], object())
