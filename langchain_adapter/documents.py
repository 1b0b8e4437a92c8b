"""LangChain documents: the ids by which they are judged, and datasets made of them."""

from collections.abc import Iterable

from langchain_core.documents import Document

from query_adapters.data.dataset import Questions, RetrievalDataset, relevant_docs_of
from query_adapters.errors import InvalidDatasetError

__all__ = ["Questions", "dataset_from_documents", "document_id"]


def document_id(document: Document, id_key: str | None = None) -> str:
    """Return the document's id: its metadata's `id_key` where one is named, else its own `id`.

    Raises:
        InvalidDatasetError: If it has none.
        TypeError: If it is no document.
    """
    if not isinstance(document, Document):
        raise TypeError(
            f"expected a LangChain Document, got {type(document).__name__}; use the retriever, "
            "before a prompt or a model makes something else of what it found"
        )
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
    """Return the dataset of these documents and questions; equal questions are one.

    Args:
        documents: The documents, those that answer no question too.
        questions: Question texts with the ids of their relevant documents, as a mapping or as
            pairs.
        id_key: The metadata key of a document's id; by default it is `Document.id`.

    Raises:
        InvalidDatasetError: If a document has no id, two have the same, or a question's
            document is missing.

    Example:
        >>> harbour = Document("The harbour is four miles away.", id="d1")
        >>> dataset_from_documents([harbour], {"how far is the harbour?": "d1"})
        RetrievalDataset(1 queries, 1 documents, 1 judgements)
    """
    corpus: dict[str, str] = {}
    for document in documents:
        key = document_id(document, id_key)
        if key in corpus:
            raise InvalidDatasetError(f"two documents have the id {key!r}; expected unique ids")
        corpus[key] = document.page_content
    relevant = relevant_docs_of(questions)
    return RetrievalDataset.from_relevant_docs({text: text for text in relevant}, corpus, relevant)
