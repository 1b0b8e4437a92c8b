"""Tests of document ids, and of datasets built from documents and questions."""

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_adapter import EmbeddingAdapterFinetuneEngine, dataset_from_documents
from langchain_adapter.documents import document_id
from query_adapters.errors import InvalidDatasetError, UnreadableStoreError

DOCUMENTS = [Document("text a", id="a"), Document("text b", id="b", metadata={"_id": 7})]


def test_an_id_is_the_documents_own_or_under_the_key_that_is_named() -> None:
    assert document_id(DOCUMENTS[1]) == "b"
    assert document_id(DOCUMENTS[1], "_id") == "7"
    assert document_id(Document("text", metadata={"_id": 0}), "_id") == "0"


@pytest.mark.parametrize(
    ("document", "id_key", "message"),
    [
        (Document("text", metadata={"_id": 7}), None, r"none in its id: 'text'.*\['_id'\].*id_key"),
        (Document("text", id="a"), "_id", r"none in its metadata\['_id'\]: 'text'"),
        (Document("text", id=""), None, "none in its id"),
    ],
)
def test_a_document_without_an_id_is_named_with_the_remedy(
    document: Document, id_key: str | None, message: str
) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        document_id(document, id_key)


def test_ids_may_come_from_the_metadata() -> None:
    dataset = dataset_from_documents([DOCUMENTS[1]], {"one?": "7"}, id_key="_id")
    assert dict(dataset.corpus) == {"7": "text b"}


@pytest.mark.parametrize(
    ("documents", "questions", "message"),
    [
        (
            [*DOCUMENTS, Document("other", id="a")],
            {"one?": "a"},
            "document ids, got 'a' twice",
        ),
        ([Document("text")], {"one?": "a"}, "expected a document with an id"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    documents: list[Document], questions: Any, message: str
) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        dataset_from_documents(documents, questions)


def test_a_vector_store_in_place_of_documents_and_questions_in_place_of_a_store() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=3))
    with pytest.raises(TypeError, match="got InMemoryVectorStore; of a vector store, pass"):
        dataset_from_documents(store, {"one?": "a"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a LangChain Document, got str"):
        dataset_from_documents(["text"], {"one?": "a"})  # type: ignore[list-item]
    with pytest.raises(UnreadableStoreError, match="expected a vector store, got dict; pass the"):
        EmbeddingAdapterFinetuneEngine.from_vectorstore(store, {"one?": "a"})  # type: ignore[arg-type]
