"""Run the README's first code blocks unchanged, on a model whose correct map is known."""

import re
from pathlib import Path
from typing import Any

import pytest
from langchain_chroma import Chroma
from llama_index.core import VectorStoreIndex

import langchain_adapter
import llama_index_finetune_plugin
from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset, RetrieverEvaluator
from tests import rotated_model
from tests.rotated_model import TEST, TRAINING, RotatedEmbedding, RotatedEmbeddings, dataset

README = Path(__file__).resolve().parent.parent / "README.md"


def block(heading: str) -> str:
    """Return the first Python block under the heading."""
    section = README.read_text(encoding="utf-8").split(f"{heading}\n", 1)[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(code, str(README), "exec"), names)  # noqa: S102
    return names


def check(names: dict[str, Any], printed: str, evaluator: Any, before: Any) -> None:
    """Check that the adapter is kept and its retriever scores higher than the one before."""
    assert "Use the adapter." in printed
    after, base = (
        evaluator(r).evaluate_dataset(dataset(TEST)) for r in (names["retriever"], before)
    )
    assert str(after) in printed
    assert after.means["ndcg@10"] > base.means["ndcg@10"] + 0.2


@pytest.fixture
def index() -> VectorStoreIndex:
    return rotated_model.index()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_first_screen(index: VectorStoreIndex, capsys: pytest.CaptureFixture[str]) -> None:
    EmbeddingQAFinetuneDataset.from_retrieval_dataset(dataset(TRAINING)).save_json(
        "train_dataset.json"
    )
    names = {
        "base_embed_model": RotatedEmbedding(),
        "index": index,
        "test_dataset": dataset(TEST),
    }
    run(block("## LlamaIndex"), names)
    before = index.as_retriever(similarity_top_k=10)
    check(names, capsys.readouterr().out, RetrieverEvaluator, before)


def test_the_same_in_langchain(capsys: pytest.CaptureFixture[str]) -> None:
    documents = rotated_model.documents()
    store = Chroma("my_collection", RotatedEmbeddings(), persist_directory="chroma")
    store.add_documents(documents)
    names = {
        "documents": documents,
        "questions": TRAINING,
        "test_questions": TEST,
        "embeddings": RotatedEmbeddings(),
        "vectorstore": store,
        "Chroma": Chroma,
    }
    run(block("## LangChain"), names)
    before = store.as_retriever(search_kwargs={"k": 10})
    check(names, capsys.readouterr().out, langchain_adapter.RetrieverEvaluator, before)


def test_onto_the_index_that_is_there_already(index: VectorStoreIndex) -> None:
    """Run the block with the test's questions instead of the two that it shows."""
    store = rotated_model.vectorstore()
    code = block("## On an existing index")
    shown, in_llama_index, in_langchain, hint = code.strip().splitlines()
    run(shown, {})
    questions = [(text, ids[0]) for text, ids in TRAINING.items()]
    for line, module, name, served in (
        (in_llama_index, llama_index_finetune_plugin, "index", index),
        (in_langchain, langchain_adapter, "vectorstore", store),
    ):
        engine_class = module.EmbeddingAdapterFinetuneEngine
        names = {"EmbeddingAdapterFinetuneEngine": engine_class, "questions": questions}
        engine = run(line, {**names, name: served})["engine"]
        engine.finetune()
        assert engine.result.decision == "adapter"
        call = f"retriever = {hint.rpartition(': ')[2]}"
        retriever = run(call, {"engine": engine, "index": served})["retriever"]
        assert retriever.invoke("q") if name == "vectorstore" else retriever.retrieve("q")
