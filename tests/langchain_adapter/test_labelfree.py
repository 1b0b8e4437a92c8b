"""The label-free engine: a vector store in, an embedding model out, no promise without a check."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from langchain_adapter import (
    AdapterEmbeddings,
    LabelFreeFinetuneEngine,
    LinearAdapterEmbeddings,
    dataset_from_documents,
    stored_vectors,
)
from query_adapters.adapters.storage import read_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import (
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    NotFinetunedError,
)
from query_adapters.stores import gather
from query_adapters.training import whitening_adapter

TEXTS = [f"text {number}" for number in range(30)]


def make_documents(texts: list[str]) -> list[Document]:
    return [Document(text, id=f"id {text}") for text in texts]


def make_store(base: Any, texts: list[str] = TEXTS) -> InMemoryVectorStore:
    store = InMemoryVectorStore(base)
    store.add_documents(make_documents(texts))
    return store


def questions(texts: list[str]) -> RetrievalDataset:
    relevant = {f"question about {text}": f"id {text}" for text in texts}
    return dataset_from_documents(make_documents(texts), relevant)


def test_a_store_alone_gives_a_model_that_searches_it(base: Any, tmp_path: Path) -> None:
    store = make_store(base)
    base.calls.clear()
    engine = LabelFreeFinetuneEngine(store, model_output_path=tmp_path, exponent=0.3)
    engine.finetune()
    assert [call for call, _ in base.calls] == ["query"]  # one question, no document
    documents = np.array([base.vector("document", text) for text in TEXTS], dtype=np.float32)
    expected = whitening_adapter(documents, exponent=0.3)
    assert engine.result.saved.adapter.fingerprint == expected.fingerprint
    model = engine.get_finetuned_model()
    assert isinstance(model, LinearAdapterEmbeddings)
    query = np.array(base.vector("query", "a question"), dtype=np.float32)
    assert model.embed_query("a question") == expected(query).tolist()
    assert model.embed_documents(["text 3"]) == [base.vector("document", "text 3")]
    opened = InMemoryVectorStore(model)
    opened.store = store.store
    assert len(opened.as_retriever().invoke("a question")) == 4
    model.verify()


def test_a_store_that_is_served_adapted_is_whitened_for_its_base(base: Any, tmp_path: Path) -> None:
    LabelFreeFinetuneEngine(make_store(base), base, tmp_path / "first").finetune()
    served = make_store(AdapterEmbeddings(base, tmp_path / "first"))
    engine = LabelFreeFinetuneEngine(served, model_output_path=tmp_path / "again")
    engine.finetune()
    first, again = (read_adapter(tmp_path / name).adapter for name in ("first", "again"))
    assert again.fingerprint == first.fingerprint
    assert engine.get_finetuned_model().base is base


def test_the_verdict_says_that_nothing_was_checked_and_stays_with_the_folder(
    base: Any, tmp_path: Path
) -> None:
    engine = LabelFreeFinetuneEngine(make_store(base), base, tmp_path)
    engine.finetune()
    assert engine.result.whitening.verdict.startswith("not checked: no labelled questions")
    record = read_adapter(tmp_path).record
    assert record.training["verdict"] == engine.result.whitening.verdict
    assert record.training["exponent"] == 0.15


def test_check_questions_decide(base: Any, tmp_path: Path) -> None:
    given: dict[str, Any] = {"check_dataset": questions(TEXTS), "exponent": 0.5}
    store, kept = make_store(base), {}
    for guard in ("strict", "off"):
        engine = LabelFreeFinetuneEngine(store, base, tmp_path / guard, guard=guard, **given)
        engine.finetune()
        assert engine.result.whitening.comparison is not None
        kept[guard] = not engine.result.saved.adapter.is_identity
    assert kept == {"strict": False, "off": True}


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("chroma", {}, "euclidean"),
        ("in memory", {}, "cosine"),
        ("chroma", {"similarity": "cosine"}, "cosine"),
    ],
)
def test_it_ranks_as_the_store_does_unless_told_otherwise(
    base: Any, tmp_path: Path, kind: str, given: dict[str, Any], expected: Any
) -> None:
    store: VectorStore = make_store(base)
    if kind == "chroma":
        store = Chroma("docs", base, persist_directory=str(tmp_path / "chroma"))
        store.add_documents(make_documents(TEXTS))
    engine = LabelFreeFinetuneEngine(store, base, tmp_path / "out", **given)
    engine.finetune()
    assert read_adapter(tmp_path / "out").record.training["similarity"] == expected
    adapter = whitening_adapter(gather(stored_vectors(store)).vectors, similarity=expected)
    assert engine.result.saved.adapter.fingerprint == adapter.fingerprint


def test_blocks_stand_in_for_a_store_and_need_a_model(base: Any, tmp_path: Path) -> None:
    blocks: Any = [(["a", "b", "c"], base.embed_documents(["a", "b", "c"]))]
    engine = LabelFreeFinetuneEngine(blocks, base, tmp_path)
    engine.finetune()
    assert engine.result.whitening.n_documents == 3
    with pytest.raises(TypeError, match="expected a LangChain embedding model, got none"):
        LabelFreeFinetuneEngine(blocks, model_output_path=tmp_path)


def test_an_unknown_setting_is_named(base: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected arguments: epochs"):
        LabelFreeFinetuneEngine(make_store(base), base, tmp_path, epochs=4)  # type: ignore[call-arg]


def test_a_model_before_there_is_one_is_refused(base: Any, tmp_path: Path) -> None:
    engine = LabelFreeFinetuneEngine(make_store(base), base, tmp_path)
    with pytest.raises(NotFinetunedError, match=r"call finetune\(\) first"):
        engine.get_finetuned_model()


def test_answers_outside_the_store_are_refused(base: Any, tmp_path: Path) -> None:
    store, check = make_store(base), questions(["elsewhere"])
    with pytest.raises(InvalidDatasetError, match="'id elsewhere'"):
        LabelFreeFinetuneEngine(store, base, tmp_path, check_dataset=check)


def test_an_empty_store_is_refused(base: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidVectorsError, match="at least one stored vector"):
        LabelFreeFinetuneEngine(make_store(base, []), base, tmp_path)


def test_a_store_of_another_model_costs_one_question(
    base: Any, make_base: Callable[..., Any], tmp_path: Path
) -> None:
    engine = LabelFreeFinetuneEngine(make_store(make_base(width=4)), base, tmp_path)
    base.calls.clear()
    with pytest.raises(DimensionMismatchError, match="expected 4 dimensions, got 8"):
        engine.finetune()
    assert [call for call, _ in base.calls] == ["query"]
