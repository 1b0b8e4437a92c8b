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
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever
from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.evaluation import RetrieverEvaluator
from llama_index.core.evaluation.retrieval.metrics import METRIC_REGISTRY
from llama_index.core.schema import TextNode

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
    METRIC_REGISTRY,
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


# metric.md


@pytest.fixture
def indexes() -> dict[str, Any]:
    """An index in each framework, in memory, filled by the base model."""
    nodes = [TextNode(id_=key, text=text) for key, text in DATASET.corpus.items()]
    index = VectorStoreIndex(nodes, embed_model=HashedWords())
    vectorstore = InMemoryVectorStore(LangChainHashedWords())
    vectorstore.add_documents([Document(text, id=key) for key, text in DATASET.corpus.items()])
    return {"index": index, "vectorstore": vectorstore}


def test_the_metric_recipe_in_both_frameworks(
    indexes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    names = run_page("metric", dataset=DATASET, **indexes)
    one, other = names["llama_index_evaluation"], names["langchain_evaluation"]
    assert capsys.readouterr().out == f"{one}\n{other}\n"
    values = one.per_query["f1@5"]
    np.testing.assert_allclose(values, other.per_query["f1@5"])
    n_relevant = np.array([len(DATASET.qrels[query]) for query in one.query_ids])
    assert n_relevant.max() > 1
    assert set(np.round(values[n_relevant == 1], 6)) == {0, round(2 / 6, 6)}
    assert 0 < values.mean() < one.means["ndcg@10"]

    text, ids = pairs(DATASET)[int(values.argmax())]
    retriever = indexes["index"].as_retriever(similarity_top_k=10)
    (single,) = (
        RetrieverEvaluator.from_metric_names(["f1@5"], retriever=retriever)
        .evaluate(text, ids)
        .metric_dict.values()
    )
    assert single.score == pytest.approx(values.max())


def test_the_metric_of_the_recipe_on_rankings_of_any_length_with_repeated_ids(
    indexes: dict[str, Any],
) -> None:
    by_hand = run_page("metric", dataset=DATASET, **indexes)["f1_by_hand"]
    rng = np.random.default_rng(0)
    documents = [f"d{number}" for number in range(12)]
    run = {f"q{n}": list(rng.choice(documents, n % 9)) for n in range(200)}
    relevant = {query: rng.choice(documents, rng.integers(1, 7), replace=False) for query in run}
    qrels = {query: dict.fromkeys(map(str, ids), 1.0) for query, ids in relevant.items()}
    for k in (1, 3, 10):
        found = evaluation.evaluate_run(run, qrels, metrics=[f"f1@{k}"]).per_query[f"f1@{k}"]
        once = {query: list(dict.fromkeys(ids)) for query, ids in run.items()}
        expected = [by_hand(once[query], qrels[query], k) for query in run]
        np.testing.assert_allclose(found, expected)
    assert 0 < np.mean(found) < 1


def test_settings_are_chosen_by_the_metric_of_the_recipe(here: Path) -> None:
    write_files("metric")
    import my_metrics  # type: ignore[import-not-found]

    engine = llama_index_finetune_plugin.EmbeddingAdapterFinetuneEngine(
        TRAINING, HashedWords(), metric="f1@5", strengths=(0.1,), whitenings=(0.0,), n_folds=2
    )
    engine.finetune()
    assert "f1@5" in str(engine.result.verdict)
    assert evaluation.METRICS["f1"] is my_metrics.f1
