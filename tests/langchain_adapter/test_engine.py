"""Test that the engine accepts LangChain documents and defaults to the vector store's model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document

from langchain_adapter import EmbeddingAdapterFinetuneEngine, LinearAdapterEmbeddings
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, read_adapter, save_adapter
from query_adapters.errors import InvalidDatasetError
from tests.integrations.langchain import LANGCHAIN, served, store_of
from tests.integrations.rotation import DOCUMENTS, MIXING, make_dataset, make_planted

TRAIN = make_dataset(LANGCHAIN, DOCUMENTS)


@pytest.fixture
def planted() -> Any:
    return make_planted(LANGCHAIN)


@pytest.mark.slow
def test_documents_and_questions_train_the_same_adapter_as_their_dataset(
    planted: Any, tmp_path: Path
) -> None:
    documents = [
        Document(text, id=key, metadata={"key": f"key of {key}"}) for key, text in DOCUMENTS.items()
    ]
    questions = {TRAIN.queries[query]: next(iter(grades)) for query, grades in TRAIN.qrels.items()}
    renamed = {text: f"key of {key}" for text, key in questions.items()}
    engines = [
        EmbeddingAdapterFinetuneEngine(TRAIN, planted, model_output_path=tmp_path / "dataset"),
        EmbeddingAdapterFinetuneEngine.from_documents(
            iter(documents), questions, planted, model_output_path=tmp_path / "own"
        ),
        EmbeddingAdapterFinetuneEngine.from_documents(
            documents, renamed, planted, id_key="key", model_output_path=tmp_path / "key"
        ),
    ]
    for engine in engines:
        engine.finetune()
    assert len({engine.result.saved.adapter.fingerprint for engine in engines}) == 1


def test_a_document_without_an_id_is_refused(planted: Any) -> None:
    with pytest.raises(InvalidDatasetError, match="expected a document with an id"):
        EmbeddingAdapterFinetuneEngine.from_documents([Document("x")], {"y?": "x"}, planted)


def test_a_missing_model_is_named() -> None:
    with pytest.raises(TypeError, match="expected a LangChain embedding model, got none"):
        EmbeddingAdapterFinetuneEngine(TRAIN)


def test_the_model_of_the_store_is_trained_and_its_documents_are_not_embedded_again(
    planted: Any, tmp_path: Path
) -> None:
    store = store_of(DOCUMENTS, planted)
    planted.calls.clear()
    engine = EmbeddingAdapterFinetuneEngine(TRAIN, vectorstore=store, model_output_path=tmp_path)
    engine.finetune()
    assert planted.documents == []
    assert sorted(planted.queries) == sorted(TRAIN.queries.values())
    assert read_adapter(tmp_path).record.base_model == "planted"
    assert engine.get_finetuned_model().base is planted


@pytest.mark.slow
def test_a_store_with_an_adapted_model_is_trained_on_its_base_again(
    planted: Any, tmp_path: Path
) -> None:
    first = EmbeddingAdapterFinetuneEngine(TRAIN, planted, model_output_path=tmp_path / "first")
    first.finetune()
    store = served(store_of(DOCUMENTS, planted), first.get_finetuned_model())
    again = EmbeddingAdapterFinetuneEngine(
        TRAIN, vectorstore=store, model_output_path=tmp_path / "again"
    )
    again.finetune()
    assert read_adapter(tmp_path / "again").record.base_model == "planted"
    LinearAdapterEmbeddings(planted, tmp_path / "again").verify()


def test_an_adapter_is_refined_on_the_model_of_the_store(planted: Any, tmp_path: Path) -> None:
    record = AdapterRecord(base_model="planted")
    saved = SavedAdapter(adapter=LinearAdapter(MIXING.T), record=record)
    engine = EmbeddingAdapterFinetuneEngine.from_model_path(
        TRAIN, None, save_adapter(saved, tmp_path / "first"),
        vectorstore=store_of(DOCUMENTS, planted),
        model_output_path=tmp_path / "x", strengths=[1e6], memory=False,
    )  # fmt: skip
    engine.finetune()
    adapter = engine.result.training.adapter
    assert isinstance(adapter, LinearAdapter)
    np.testing.assert_allclose(adapter.weight, MIXING.T, atol=1e-4)
