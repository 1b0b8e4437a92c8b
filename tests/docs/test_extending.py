"""The recipes of docs/extending, run as they stand, then used on Python's documentation."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from langchain_core.vectorstores import VectorStoreRetriever
from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever

import langchain_adapter
import llama_index_finetune_plugin
from query_adapters import adapters, evaluation
from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import gather
from tests.docs.hashed_words import (
    DATASET,
    DIM,
    HELD_OUT,
    TRAINING,
    HashedWords,
    LangChainHashedWords,
    pairs,
    vector,
)

HERE = Path(__file__).resolve().parent
PAGES = HERE.parents[1] / "docs" / "extending"
BLOCK = re.compile(r"^( *)```python(?: title=\"(.+?)\")?\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
REGISTRIES: list[dict[str, Any]] = [
    adapters.ADAPTER_KINDS,
    evaluation.METRICS,
    langchain_adapter.QUERY_BATCH_METHODS,
    langchain_adapter.stores.READERS,
    llama_index_finetune_plugin.QUERY_BATCH_METHODS,
    llama_index_finetune_plugin.stores.READERS,
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory to import from; what is registered is removed afterwards."""
    kept = [dict(registry) for registry in REGISTRIES]
    loaded = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for registry, entries in zip(REGISTRIES, kept, strict=True):
        registry.clear()
        registry.update(entries)
    for name in set(sys.modules) - loaded:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Return the Python blocks of a page, each with the name of its file or ""."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return [(title, dedent(code)) for _, title, code in BLOCK.findall(text)]


def write_files(page: str) -> None:
    """Write the blocks of a page that have a file name."""
    for title, code in blocks_of(page):
        if title:
            Path(title).write_text(code, encoding="utf-8")


def run_page(page: str, **names: Any) -> dict[str, Any]:
    """Write the files of a page, run its other blocks in order, and return their names."""
    write_files(page)
    code = [code for title, code in blocks_of(page) if not title]
    assert code
    for block in code:
        exec(compile(block, f"{page}.md", "exec"), names)  # noqa: S102
    return names


# store.md


@pytest.fixture
def stores(here: Path) -> dict[str, Any]:
    """The user's stores, filled by the base model."""
    shutil.copy(HERE / "my_store.py", here)
    import my_store  # type: ignore[import-not-found]

    path = str(here / "documents.sqlite")
    my_store.write(path, [(key, text, vector(text)) for key, text in DATASET.corpus.items()])
    store = my_store.MyLlamaIndexStore(path=path)
    return {
        "questions": pairs(TRAINING),
        "index": VectorStoreIndex.from_vector_store(store, embed_model=HashedWords()),
        "vectorstore": my_store.MyLangChainStore(path, LangChainHashedWords()),
    }


def ndcg(retriever: BaseRetriever | VectorStoreRetriever) -> float:
    """Return the mean nDCG@10 on the held-out questions, through the store's own search."""
    module: Any = llama_index_finetune_plugin
    if isinstance(retriever, VectorStoreRetriever):
        module = langchain_adapter
    evaluator = module.RetrieverEvaluator(retriever, ["ndcg@10"])
    return float(evaluator.evaluate_dataset(HELD_OUT).means["ndcg@10"])


def test_a_store_without_a_reader_is_refused(stores: dict[str, Any]) -> None:
    for module, store in (
        (llama_index_finetune_plugin, stores["index"]),
        (langchain_adapter, stores["vectorstore"]),
    ):
        with pytest.raises(UnreadableStoreError, match=rf"add a reader to {module.__name__}"):
            list(module.stored_vectors(store))


def test_the_store_recipe_trains_on_the_index_as_it_is(
    stores: dict[str, Any], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (here / "documents.sqlite").read_bytes()
    names = run_page("store", **stores)
    assert (here / "documents.sqlite").read_bytes() == content
    assert f"(100, {DIM}) cosine" in capsys.readouterr().out

    index, vectorstore = stores["index"], stores["vectorstore"]
    base, embeddings = index._embed_model, vectorstore.embedding
    llama_index_gain = ndcg(names["retriever"]) - ndcg(index.as_retriever(similarity_top_k=10))
    before = ndcg(vectorstore.as_retriever(search_kwargs={"k": 10}))
    vectorstore.embedding = names["langchain_engine"].get_finetuned_model()
    langchain_gain = ndcg(vectorstore.as_retriever(search_kwargs={"k": 10})) - before
    assert names["engine"].result.decision == "adapter"
    assert langchain_gain == pytest.approx(llama_index_gain)
    assert llama_index_gain > 0.03
    assert names["langchain_engine"].result.training.n_documents == len(DATASET.corpus)
    assert base.n_documents == 0  # a LlamaIndex store without get_nodes gives no texts back
    assert embeddings.n_documents == 3


def test_the_reader_of_the_recipe_reads_all_documents_and_chosen_ones(
    stores: dict[str, Any],
) -> None:
    write_files("store")
    import my_store_reader  # type: ignore[import-not-found]

    llama_index_finetune_plugin.stores.READERS["my_store:MyLlamaIndexStore"] = (
        my_store_reader.read_my_store
    )
    langchain_adapter.stores.READERS["my_store:MyLangChainStore"] = my_store_reader.read_my_store
    expected = {key: np.float32(vector(text)) for key, text in DATASET.corpus.items()}
    chosen = [*list(expected)[::40], "missing"]
    for module, store in (
        (llama_index_finetune_plugin, stores["index"]),
        (langchain_adapter, stores["vectorstore"]),
    ):
        stored = gather(module.stored_vectors(store, batch_size=7))
        assert stored.ids == tuple(expected)
        np.testing.assert_array_equal(stored.vectors, list(expected.values()))
        some = gather(module.stored_vectors(store, ids=chosen, batch_size=3))
        assert set(some.ids) == set(chosen) - {"missing"}
        for key, row in some.row_of.items():
            np.testing.assert_array_equal(some.vectors[row], expected[key])
