"""Ids of LangChain documents, and datasets of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.documents import Document
from pydantic import BaseModel

from query_adapters.data.dataset import Questions, RetrievalDataset, relevant_docs_of
from query_adapters.errors import InvalidDatasetError

__all__ = ["Questions", "dataset_from_documents", "document_id"]


def document_id(document: Document, id_key: str | None = None) -> str:
    """Return the document's id: `metadata[id_key]` if a key is given, else `Document.id`.

    Raises:
        InvalidDatasetError: If it has none.
        TypeError: If it is not a Document.
    """
    _check_document(document)
    found = document.id if id_key is None else document.metadata.get(id_key)
    if found in (None, ""):
        place = "id" if id_key is None else f"metadata[{id_key!r}]"
        raise InvalidDatasetError(
            f"expected a document with an id, got none in its {place}: "
            f"{document.page_content[:60]!r}, metadata keys {sorted(document.metadata)}; give "
            'ids when documents are added, or name the key that holds them, as id_key="_id"'
        )
    return str(found)


def dataset_from_documents(
    documents: Iterable[Document], questions: Questions, *, id_key: str | None = None
) -> RetrievalDataset:
    """Return a dataset of these documents and questions; equal questions are merged.

    Args:
        documents: The documents, including those that answer no question.
        questions: Question texts with the ids of their relevant documents, as a mapping or as
            pairs.
        id_key: The metadata key of a document's id; by default it is `Document.id`.

    Raises:
        InvalidDatasetError: If a document has no id, two have the same, or a relevant document
            is missing.
        TypeError: If `documents` is a vector store, or holds anything but documents.

    Example:
        >>> harbour = Document("The harbour is four miles away.", id="d1")
        >>> dataset_from_documents([harbour], {"how far is the harbour?": "d1"})
        RetrievalDataset(1 queries, 1 documents, 1 judgements)
    """
    corpus: dict[str, str] = {}
    for document in listed_documents(documents):
        key = document_id(document, id_key)
        if key in corpus:
            raise InvalidDatasetError(
                f"expected unique document ids, got {key!r} twice; give each document its own id"
            )
        corpus[key] = document.page_content
    relevant = relevant_docs_of(questions)
    return RetrievalDataset.from_relevant_docs({text: text for text in relevant}, corpus, relevant)


def listed_documents(documents: Any) -> list[Document]:
    """Return the documents as a list.

    Raises:
        TypeError: If it is a vector store or a retriever, or holds anything but documents.
    """
    if not isinstance(documents, Iterable) or isinstance(documents, str | Mapping | BaseModel):
        raise TypeError(
            f"documents: expected a list of LangChain Documents, got {type(documents).__name__}; "
            "of a vector store, pass the documents that were added, or train with "
            "EmbeddingAdapterFinetuneEngine.from_vectorstore, which needs no texts"
        )
    listed = list(documents)
    for document in listed:
        _check_document(document)
    return listed


def _check_document(document: object) -> None:
    if not isinstance(document, Document):
        raise TypeError(
            f"expected a LangChain Document, got {type(document).__name__}; of a chain, evaluate "
            "the retriever itself, before a prompt or a model changes its output"
        )
