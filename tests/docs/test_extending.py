"""Run the recipes of docs/extending unchanged and apply them to Python's documentation."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path
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
from query_adapters.embedders import EMBEDDERS
from query_adapters.errors import (
    DimensionMismatchError,
    QueryAdaptersWarning,
    UnreadableStoreError,
)
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
PACKAGES = ("query_adapters", "llama_index_finetune_plugin", "langchain_adapter")
PAGES = HERE.parents[1] / "docs" / "extending"
BLOCK = re.compile(r"^```python(?: title=\"(.+?)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
REGISTRIES: list[dict[str, Any]] = [
    EMBEDDERS,
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
    """Yield an empty, importable working directory; restore all registries afterwards."""
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
    """Return the file name (or "") and the code of each Python block of a page."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return BLOCK.findall(text)


def write_files(page: str) -> None:
    """Write every block of a page that has a file name."""
    for title, code in blocks_of(page):
        if title:
            Path(title).write_text(code, encoding="utf-8")


def run_page(page: str, **names: Any) -> dict[str, Any]:
    """Write the files of a page, run its other blocks in order, and return their namespace."""
    write_files(page)
    code = [code for title, code in blocks_of(page) if not title]
    assert code
    for block in code:
        exec(compile(block, f"{page}.md", "exec"), names)  # noqa: S102
    return names


# store.md


@pytest.fixture
def stores(here: Path) -> dict[str, Any]:
    """Return the namespace for store.md, with stores filled by the base model."""
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
    with pytest.warns(QueryAdaptersWarning, match=r"^MyLlamaIndexStore: not checked .* no texts"):
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
    assert base.n_documents == 0
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
    expected = {key: np.array(vector(text), np.float32) for key, text in DATASET.corpus.items()}
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
    """Return an in-memory index of each framework, filled by the base model."""
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
        name = f"f1@{k}"
        found = evaluation.evaluate_run(run, qrels, metrics=[name]).per_query[name]
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


# adapter_kind.md


@pytest.fixture
def scaling(indexes: dict[str, Any]) -> dict[str, Any]:
    """Return the namespace of adapter_kind.md after running it."""
    vectorstore = indexes["vectorstore"]
    return run_page(
        "adapter_kind",
        base_embed_model=indexes["index"]._embed_model,
        embeddings=vectorstore.embedding,
        train_dataset=TRAINING,
        test_dataset=HELD_OUT,
        **indexes,
    )


def test_the_adapter_of_the_recipe_improves_search_in_both_frameworks(
    scaling: dict[str, Any],
) -> None:
    measured = scaling["comparison"]["ndcg@10"]
    assert scaling["adapter"] is not scaling["candidates"][0]
    assert measured.difference.low > 0

    base = ndcg(scaling["index"].as_retriever(similarity_top_k=10))
    served = ndcg(scaling["retriever"])
    assert (base, served) == pytest.approx((measured.base.mean, measured.adapted.mean))
    in_langchain = ndcg(scaling["vectorstore"].as_retriever(search_kwargs={"k": 10}))
    assert in_langchain == pytest.approx(served)


def test_the_adapter_of_the_recipe_is_the_formula_at_the_length_of_the_query(
    scaling: dict[str, Any],
) -> None:
    adapter, kind = scaling["adapter"], scaling["ScalingAdapter"]
    query = np.array(vector("open a file and read lines"), np.float32)
    expected = query * adapter.scale
    expected *= np.linalg.norm(query) / np.linalg.norm(expected)
    np.testing.assert_allclose(adapter(query), expected, rtol=1e-5)
    np.testing.assert_allclose(
        adapter(np.stack([query, 3 * query])), [expected, 3 * expected], 1e-5
    )
    np.testing.assert_array_equal(adapter(np.zeros(DIM)), np.zeros(DIM))
    assert scaling["embed_model"].get_query_embedding("read lines") != vector("read lines")
    assert scaling["embed_model"].get_text_embedding("read lines") == vector("read lines")
    one, other = scaling["embed_model"], scaling["adapted_embeddings"]
    assert one.get_query_embedding("read lines") == other.embed_query("read lines")
    same = kind(np.ones(DIM))
    assert same.is_identity
    assert not adapter.is_identity
    with pytest.raises(DimensionMismatchError, match=f"expected {DIM} dimensions, got 3"):
        adapter(np.ones(3))


def test_the_adapter_of_the_recipe_loads_in_a_process_that_imports_its_module(
    scaling: dict[str, Any], here: Path
) -> None:
    def load(statement: str) -> subprocess.CompletedProcess[str]:
        code = f"{statement}\nfrom query_adapters import load_adapter\n"
        code += "print(load_adapter('scaling').fingerprint)"
        return subprocess.run(  # noqa: S603
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(PAGES.parents[1])},
        )

    assert load("import scaling_adapter").stdout.strip() == scaling["adapter"].fingerprint
    unknown = load("").stderr
    assert "AdapterFileError" in unknown
    assert "unknown kind 'scaling', expected one of ['kernel', 'linear']; import the" in unknown


def test_the_classes_that_take_arrays_serve_the_kind_of_the_recipe_too(
    scaling: dict[str, Any],
) -> None:
    expected = scaling["adapter"](np.array(vector("read lines"), np.float32)).tolist()
    served = llama_index_finetune_plugin.LinearAdapterEmbedding(
        scaling["base_embed_model"], "scaling"
    )
    assert served.get_query_embedding("read lines") == expected
    served_in_langchain = langchain_adapter.LinearAdapterEmbeddings(
        scaling["embeddings"], "scaling"
    )
    assert served_in_langchain.embed_query("read lines") == expected


# embedding.md


class Client:
    """An embedding service that records its requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, tuple[str, ...]]] = []

    @property
    def n_requests(self) -> int:
        return len(self.requests)

    def embed(self, texts: Sequence[str], role: str) -> list[list[float]]:
        self.requests.append((role, tuple(texts)))
        return [vector(text if role == "document" else f"query {text}") for text in texts]

    def sizes(self, role: str) -> list[int]:
        """Return the number of texts of each request in this role."""
        return [len(texts) for asked, texts in self.requests if asked == role]


def expected_vectors(questions: Sequence[str]) -> Any:
    return np.array([vector(f"query {text}") for text in questions], np.float32)


def cut(n_texts: int, size: int) -> list[int]:
    """Return the request sizes for `n_texts` in batches of `size`; the last may be smaller."""
    return [min(size, n_texts - start) for start in range(0, n_texts, size)]


def test_the_embedding_recipe_sends_one_request_per_batch() -> None:
    queries, client = list(dict.fromkeys(TRAINING.queries.values())), Client()
    names = run_page("embedding", client=client, questions=queries[:200], dataset=TRAINING)
    n_others = len(queries) - 1  # training embeds one alone to check the dimension
    in_llama_index = [*cut(200, 32), 1]  # the last request is for the comparison
    in_langchain = [1, *cut(n_others, 32)]
    in_core = [1, *(size for n in cut(n_others, 64) for size in cut(n, ceil(n / 4)))]
    sizes, n_before = client.sizes("query"), len(in_llama_index) + len(in_langchain)
    assert sizes[:n_before] == in_llama_index + in_langchain
    assert sorted(sizes[n_before:]) == sorted(in_core)
    assert max(in_core) == 16
    of_documents = cut(len(DATASET.corpus), 32)
    assert client.sizes("document")[: len(of_documents)] == of_documents
    np.testing.assert_array_equal(names["vectors"], expected_vectors(queries[:200]))
    np.testing.assert_array_equal(
        names["embedded"].queries, expected_vectors(list(TRAINING.queries.values()))
    )


@pytest.fixture
def client(here: Path) -> Client:
    """Return an embedding service, after writing the files of embedding.md for import."""
    write_files("embedding")
    return Client()


def in_llama_index(client: Client) -> tuple[Any, dict[str, Any]]:
    from my_embedding import MyEmbedding  # type: ignore[import-not-found]

    model = MyEmbedding(client=client, embed_batch_size=32)
    registry = llama_index_finetune_plugin.QUERY_BATCH_METHODS
    return llama_index_finetune_plugin.LlamaIndexEmbedder(model), registry


def in_langchain(client: Client) -> tuple[Any, dict[str, Any]]:
    from my_embeddings import MyEmbeddings  # type: ignore[import-not-found]

    model = MyEmbeddings(client)
    return langchain_adapter.LangChainEmbedder(model), langchain_adapter.QUERY_BATCH_METHODS


@pytest.mark.parametrize("make", [in_llama_index, in_langchain])
def test_a_class_without_the_line_of_registration_sends_a_request_per_query(
    make: Callable[[Client], tuple[Any, dict[str, Any]]], client: Client
) -> None:
    questions = list(TRAINING.queries.values())[:70]
    embedder, registry = make(client)
    batched = embedder.embed_queries(questions)
    assert client.sizes("query") == [32, 32, 6]
    (key,) = [key for key in registry if key.startswith("my_")]
    del registry[key]
    client.requests.clear()
    np.testing.assert_array_equal(embedder.embed_queries(questions), batched)
    assert client.sizes("query") == [1] * 70


def test_only_a_subclass_that_embeds_queries_differently_is_not_batched(client: Client) -> None:
    my_embedding: Any = type(in_llama_index(client)[0].embed_model)

    class Politely(my_embedding):  # type: ignore[misc]
        def _get_query_embedding(self, query: str) -> Any:
            return super()._get_query_embedding(f"please {query}")

    class Alike(my_embedding):  # type: ignore[misc]
        pass

    embedder = llama_index_finetune_plugin.LlamaIndexEmbedder
    embedder(Alike(client=client)).embed_queries(["a", "b"])
    assert client.sizes("query") == [2]
    client.requests.clear()
    found = embedder(Politely(client=client)).embed_queries(["read a file", "write a file"])
    assert client.sizes("query") == [1, 1]
    expected = expected_vectors(["please read a file", "please write a file"])
    np.testing.assert_array_equal(found, expected)


# index.md


def lines_of_registration() -> list[str]:
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    return re.findall(r"`([\w.]+\[[^`]+)` \|$", text, re.MULTILINE)


@pytest.mark.parametrize("line", lines_of_registration())
def test_a_line_of_registration_adds_an_entry_to_a_registry(line: str) -> None:
    registry = line.partition("[")[0]
    module = importlib.import_module(registry.rpartition(".")[0])
    entries = getattr(module, registry.rpartition(".")[2])
    value = line.partition(" = ")[2]
    names: dict[str, Any] = {package: importlib.import_module(package) for package in PACKAGES}
    names |= {} if value.startswith("lambda") else {value: object()}
    before = set(entries)
    exec(compile(line, "index.md", "exec"), names)  # noqa: S102
    (added,) = set(entries) - before
    assert f'["{added}"]' in line
    assert any(entries is known for known in REGISTRIES)


def test_every_registry_has_a_line_and_every_file_that_is_named_is_there() -> None:
    registries = {line.partition("[")[0] for line in lines_of_registration()}
    assert len(registries) == len(REGISTRIES) - 1  # all except METRIC_REGISTRY of LlamaIndex
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    files = re.findall(r"`(\w+/[\w/]+\.py)`", text)
    assert len(files) >= 7
    assert [name for name in files if not (PAGES.parents[1] / name).is_file()] == []
    written = set(re.findall(r"`(\w+\.py)`", text))
    pages = ("store", "metric", "adapter_kind", "embedding", "retriever")
    assert written == {title for page in pages for title, _ in blocks_of(page) if title}


# store.md, embedding.md and retriever.md: contract tests


SERVICE = """
import hashlib
import numpy as np

def connect():
    return Client()

class Client:
    def embed(self, texts, role):
        return [self._vector(f"{role} {text}") for text in texts]

    def _vector(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return np.random.default_rng(seed).normal(size=8).tolist()
"""


RETRIEVER = """
from types import SimpleNamespace

def make_my_retriever(texts, k):
    return Retriever(texts, k)

class Retriever:
    def __init__(self, texts, k):
        self.texts, self.k = texts, k

    def retrieve(self, question):
        words = set(question.split())
        shared = {key: len(words & set(text.split())) for key, text in self.texts.items()}
        best = sorted(shared, key=lambda key: -shared[key])[: self.k]
        return [SimpleNamespace(node_id=key, score=shared[key]) for key in best]
"""


@pytest.mark.slow
def test_the_contract_tests_of_the_recipes_pass(here: Path) -> None:
    write_files("store")
    write_files("embedding")
    write_files("retriever")
    Path("my_service.py").write_text(SERVICE, encoding="utf-8")
    Path("my_retriever.py").write_text(RETRIEVER, encoding="utf-8")
    files = ["test_my_store_reader.py", "test_my_embedder.py", "test_my_retriever.py"]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:langsmith_plugin"]
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", *options, *files],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert ran.returncode == 0, ran.stdout
    assert "25 passed" in ran.stdout
