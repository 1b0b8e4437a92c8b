"""Load a model in the parent, serve it in forked children, as prefork servers do."""

import os
from pathlib import Path
from typing import Any

import pytest

from langchain_adapter import AdapterEmbeddings, CachedEmbeddings
from llama_index_finetune_plugin import AdapterEmbedding, CachedEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import save_adapter
from tests.forked import child_of_fork
from tests.integrations.framework import Framework

CLASSES: dict[str, tuple[Any, Any]] = {
    "llama_index": (AdapterEmbedding, CachedEmbedding),
    "langchain": (AdapterEmbeddings, CachedEmbeddings),
}
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def test_children_serve_what_the_parent_has_loaded(
    framework: Framework, base: Any, adapter: LinearAdapter, tmp_path: Path
) -> None:
    adapted, cached = CLASSES[framework.name]
    folder = save_adapter(adapter, tmp_path / "adapter")
    model = adapted(cached(base, tmp_path / "vectors.sqlite"), folder)
    ask = framework.calls.query
    known = ask(model, "known")
    said = {child_of_fork(lambda: (ask(model, "known"), ask(model, "new"))) for _ in range(3)}
    assert said == {repr((known, ask(model, "new"))).encode()}
