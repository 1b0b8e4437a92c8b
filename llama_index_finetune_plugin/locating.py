"""Labels from answers, for the nodes of an existing index."""

from collections.abc import Iterable
from typing import Unpack

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import MetadataMode

from llama_index_finetune_plugin.stores.live import live_index
from query_adapters import locating
from query_adapters.data.dataset import QADataset, Questions, RetrievalDataset
from query_adapters.locating import Answered, Chunks, Located, LocateOptions


def locate(
    questions: Iterable[Answered], index: VectorStoreIndex, **options: Unpack[LocateOptions]
) -> Located:
    """Return the questions with the nodes that hold their passages, or their answer.

    Reads the nodes' own texts, without metadata, from the docstore or the vector store; embeds
    nothing. Otherwise as [`query_adapters.locating.locate`][query_adapters.locating.locate].

    Args:
        questions: Questions with passages or an answer, or pairs of a question and its passage or
            passages.
        index: The index.
        **options: As in the core's `locate`.

    Raises:
        UnreadableStoreError: If the vectors of the index cannot be read back.
        InvalidDatasetError: If a question is not one, or no node returns its text.
        ValueError: If an option is out of range.
    """
    return locating.locate(questions, _texts(index), **options)


def relocate(
    dataset: RetrievalDataset | QADataset | Questions,
    old: VectorStoreIndex | Chunks,
    index: VectorStoreIndex,
    **options: Unpack[LocateOptions],
) -> Located:
    """Return the questions of a dataset with labels on the nodes of a new index.

    Otherwise as [`query_adapters.locating.relocate`][query_adapters.locating.relocate].

    Args:
        dataset: The dataset, or questions with ids of old nodes.
        old: The old index, or the old nodes' texts without metadata, by id.
        index: The new index.
        **options: As in the core's `locate`.

    Raises:
        UnreadableStoreError: If the vectors of an index cannot be read back.
        InvalidDatasetError: If a relevant old node is missing, or no new node returns its text.
        ValueError: If an option is out of range.
    """
    chunks = _texts(old) if isinstance(old, VectorStoreIndex) else old
    return locating.relocate(dataset, chunks, _texts(index), **options)


def _texts(index: VectorStoreIndex) -> Chunks:
    return live_index(index, mode=MetadataMode.NONE).stored_texts
