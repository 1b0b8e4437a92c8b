"""Training onto an index that is there already: its vectors, and questions about its documents."""

from pathlib import Path
from typing import TypedDict

from query_adapters.data.dataset import QADataset, Questions, RetrievalDataset, to_indexed_dataset
from query_adapters.data.splits import check_leakage
from query_adapters.embedders import TextEmbedder
from query_adapters.stores import LiveIndex, StoredVectors

INDEX_FILE = "index.npy"
AnyQuestions = QADataset | RetrievalDataset | Questions


class OntoIndex(TypedDict):
    """What an engine takes of it."""

    dataset: RetrievalDataset
    val_dataset: RetrievalDataset | None
    stored: StoredVectors


def onto_index(
    live: LiveIndex,
    dataset: AnyQuestions,
    embedder: TextEmbedder,
    *,
    val_dataset: AnyQuestions | None,
    output: str | Path,
    check_model: bool,
    max_documents: int | None,
    memory_map: bool | str | Path,
    seed: int,
) -> OntoIndex:
    """Return questions and vectors for an engine; no document is embedded but three to check.

    Args:
        live: The index.
        dataset: Training questions, with the ids of documents in the index.
        embedder: The model that the index was built with.
        val_dataset: Questions that only measure.
        output: Folder of the adapter.
        check_model: Whether to embed three documents and compare them with the stored vectors.
        max_documents: The most documents to read besides those that answer a question.
        memory_map: A `.npy` file to keep the vectors in, True for one in the output folder.
        seed: Of the sample.

    Raises:
        LeakageError: If a validation question is a training question.
        QueryAdaptersError: As `LiveIndex.read`.
    """
    training = to_indexed_dataset(dataset)
    validation = None if val_dataset is None else to_indexed_dataset(val_dataset)
    if validation is not None:
        check_leakage(training.queries, validation.queries)
    path = Path(output) / INDEX_FILE if memory_map is True else memory_map
    stored = live.read(
        tuple(dict.fromkeys([*training.corpus, *(validation.corpus if validation else ())])),
        embedder=embedder if check_model else None,
        max_documents=max_documents,
        path=Path(path) if path else None,
        seed=seed,
    )
    return OntoIndex(dataset=training, val_dataset=validation, stored=stored)
