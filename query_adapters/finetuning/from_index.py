"""Prepare training on an existing index: read its vectors and check the questions' ids."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from query_adapters.data.dataset import RetrievalDataset, to_indexed_dataset
from query_adapters.data.splits import check_leakage
from query_adapters.embedders import TextEmbedder
from query_adapters.finetuning.options import AnyQuestions, IndexOptions
from query_adapters.stores import LiveIndex, RestoredSource, StoredForm, StoredVectors
from query_adapters.stores.live import MAX_DOCUMENTS

INDEX_FILE = "index.npy"
DEFAULT_OUTPUT = "model_output"


@dataclass(frozen=True, kw_only=True)
class ExistingIndex:
    """Arguments of an engine that trains on an existing index.

    Attributes:
        dataset: The training questions; texts of documents are not needed.
        stored: Vectors of the labelled documents and of the others, or a sample of them.
        options: The engine's remaining keyword arguments.
    """

    dataset: RetrievalDataset
    stored: StoredVectors
    options: dict[str, Any]


def read_existing_index(
    live: LiveIndex,
    dataset: AnyQuestions,
    embedder: TextEmbedder,
    **options: Unpack[IndexOptions],
) -> ExistingIndex:
    """Return the questions and the stored vectors; embeds at most three documents.

    Args:
        live: The index.
        dataset: Training questions with the ids of their relevant documents in the index.
        embedder: The model that the index was built with.
        **options: As in `IndexOptions`.

    Raises:
        AdapterMismatchError: If the index was built with another model.
        DimensionMismatchError: If the vectors differ in length, or from the model's.
        InvalidDatasetError: If relevant documents are not in the index.
        InvalidVectorsError: If the index is empty, lost documents while it was read, or does not
            keep vectors in `stored_form`.
        LeakageError: If a validation question is a training question.
        UnreadableStoreError: If vectors cannot be read back from the store.
        ValueError: If `stored_form` is given with `hybrid`.
    """
    rest: dict[str, Any] = {"model_output_path": DEFAULT_OUTPUT, **options}
    live = _restored(live, rest.pop("stored_form", None), is_hybrid=bool(rest.get("hybrid")))
    training = to_indexed_dataset(dataset)
    validation = _validation(training, rest.get("val_dataset"))
    labelled = [*training.corpus, *(validation.corpus if validation else ())]
    stored = live.read(
        tuple(dict.fromkeys(labelled)),
        embedder=embedder if rest.pop("check_model", True) else None,
        max_documents=rest.pop("max_documents", MAX_DOCUMENTS),
        path=_vector_file(rest.pop("memory_map", False), Path(rest["model_output_path"])),
        seed=rest.get("seed", 0),
    )
    if rest.get("hybrid") and rest.get("texts") is None:
        rest["texts"] = live.stored_texts
    return ExistingIndex(
        dataset=training, stored=stored, options={**rest, "val_dataset": validation}
    )


def _restored(live: LiveIndex, form: StoredForm | None, *, is_hybrid: bool) -> LiveIndex:
    if form is None:
        return live
    if is_hybrid:
        raise ValueError(
            "stored_form: expected no hybrid=True beside it, because the learned retriever scores "
            "by vectors as they are; leave one of them out"
        )
    return replace(live, source=RestoredSource(live.source, form))


def _validation(
    training: RetrievalDataset, questions: AnyQuestions | None
) -> RetrievalDataset | None:
    if questions is None:
        return None
    validation = to_indexed_dataset(questions)
    check_leakage(training.queries, validation.queries)
    return validation


def _vector_file(memory_map: bool | str | Path, output: Path) -> Path | None:
    if memory_map is True:
        return output / INDEX_FILE
    return Path(memory_map) if memory_map else None
