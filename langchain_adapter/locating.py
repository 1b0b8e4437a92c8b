"""Labels from answers, for the documents of an existing vector store."""

from collections.abc import Iterable
from typing import Unpack

from langchain_core.vectorstores import VectorStore

from langchain_adapter.stores.live import live_index
from query_adapters import locating
from query_adapters.data.dataset import QADataset, Questions, RetrievalDataset
from query_adapters.locating import Answered, Chunks, Located, LocateOptions


def locate(
    questions: Iterable[Answered], vectorstore: VectorStore, **options: Unpack[LocateOptions]
) -> Located:
    """Return the questions with the documents that hold their passages, or their answer.

    Reads the documents' texts from the store; embeds nothing. Otherwise as
    [`query_adapters.locating.locate`][query_adapters.locating.locate].

    Args:
        questions: Questions with passages or an answer, or pairs of a question and its passage or
            passages.
        vectorstore: The vector store.
        **options: As in the core's `locate`.

    Raises:
        UnreadableStoreError: If the vectors of the store cannot be read back.
        InvalidDatasetError: If a question is not one, or no document returns its text.
        ValueError: If an option is out of range.
    """
    return locating.locate(questions, live_index(vectorstore).stored_texts, **options)


def relocate(
    dataset: RetrievalDataset | QADataset | Questions,
    old: VectorStore | Chunks,
    vectorstore: VectorStore,
    **options: Unpack[LocateOptions],
) -> Located:
    """Return the questions of a dataset with labels on the documents of a new vector store.

    Otherwise as [`query_adapters.locating.relocate`][query_adapters.locating.relocate].

    Args:
        dataset: The dataset, or questions with ids of old documents.
        old: The old vector store, or the old documents' texts by id.
        vectorstore: The new vector store.
        **options: As in the core's `locate`.

    Raises:
        UnreadableStoreError: If the vectors of a store cannot be read back.
        InvalidDatasetError: If a relevant old document is missing, or no new document returns its
            text.
        ValueError: If an option is out of range.
    """
    chunks = live_index(old).stored_texts if isinstance(old, VectorStore) else old
    return locating.relocate(dataset, chunks, live_index(vectorstore).stored_texts, **options)
