"""What is taken as a retriever, and the ids of what it returns."""

from langchain_core.documents import Document
from langchain_core.runnables import Runnable

from langchain_adapter.documents import document_id

RetrieverLike = Runnable[str, list[Document]]
"""A retriever, or another Runnable from a text to documents."""


def check_retriever(retriever: object) -> None:
    """Check that it is a retriever.

    Raises:
        TypeError: If it is something else, such as a vector store.
    """
    if not hasattr(retriever, "invoke"):
        raise TypeError(
            f"retrievers: expected LangChain retrievers or other Runnables, got "
            f"{type(retriever).__name__}; pass vectorstore.as_retriever(search_kwargs={{'k': 50}})"
        )


def key_of(document: Document, id_key: str | None) -> str:
    """Return `metadata[id_key]` of a document that has it, else `Document.id`."""
    has_key = id_key in getattr(document, "metadata", {})
    return document_id(document, id_key if has_key else None)
