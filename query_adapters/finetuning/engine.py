"""The fine-tuning engines of the core; each integration subclasses them for its own types."""

from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Unpack

from query_adapters._extras import require_extra
from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.adapters.storage import SavedAdapter, read_adapter
from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.data.splits import counted_questions
from query_adapters.data.weights import check_unweighted
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.identity import check_name
from query_adapters.errors import AdapterMismatchError
from query_adapters.finetuning.base import FinetuneEngine
from query_adapters.finetuning.options import (
    LabelFreeSettings,
    Memory,
    TrainerOptions,
    check_flags,
    known,
    ranked_by,
    tuples,
)
from query_adapters.finetuning.probe import checked_probe
from query_adapters.lexical.collecting import TextBlocks
from query_adapters.stores import StoredVectors, StoreReader
from query_adapters.stores.reader import Index, gathered
from query_adapters.typing import Similarity

if TYPE_CHECKING:  # the classes below name them in strings, which ruff does not read
    from query_adapters.finetuning.adapter import FinetuneResult  # noqa: F401
    from query_adapters.finetuning.labelfree import LabelFreeResult  # noqa: F401


class AdapterFinetuneEngine(FinetuneEngine["FinetuneResult"]):
    """Learns a query adapter on any embedding model; documents stay as they are.

    Settings are chosen on training questions held out in turn. Where no candidate is reliably
    better than the base, the adapter is the identity, and `result.verdict` states it.

    Args:
        dataset: Training questions.
        embedder: The base model.
        model_output_path: Folder of the adapter; the embeddings computed so far are kept there
            too, so that an interrupted run resumes.
        adapter_model: A LinearAdapter or KernelAdapter to refine instead of starting from the base.
        index: The index that will be served: a StoreReader, a StoredVectors, or blocks of
            (ids, vectors); None without an index. Its similarity applies where `similarity` is
            left out.
        dim: Length of the model's vectors, checked on the first question.
        bias: As in `AdapterTrainer`.
        device: As in `AdapterTrainer`. What `hybrid` adds is learned on the CPU.
        verbose: Whether to show progress bars.
        val_dataset: As in `EngineOptions`.
        memory: As in `RunOptions`.
        cache_path: As in `RunOptions`.
        hybrid: As in `RunOptions`.
        texts: As in `RunOptions`; the dataset's texts by default.
        probe_text: As in `RunOptions`.
        **training: As in `TrainerOptions`.

    Raises:
        AdapterMismatchError: If the adapter to refine is neither linear nor a kernel adapter.
        InvalidDatasetError: If the parts of a dataset do not fit together.
        LeakageError: If a validation question is a training question.
        MissingExtraError: If the extra `train` is not installed, or `torch` for another device.
        TypeError: If an argument is not of an expected type, or unknown.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        dataset: QADataset | RetrievalDataset,
        embedder: TextEmbedder,
        *,
        model_output_path: str | Path,
        adapter_model: RefinableAdapter | None = None,
        index: Index | None = None,
        dim: int | None = None,
        bias: bool = True,
        device: str = "cpu",
        verbose: bool = False,
        val_dataset: QADataset | RetrievalDataset | None = None,
        memory: Memory = "auto",
        cache_path: str | Path | None = None,
        hybrid: bool = False,
        texts: TextBlocks | None = None,
        probe_text: str | EllipsisType | None = ...,
        **training: Unpack[TrainerOptions],
    ) -> None:
        require_extra("train")
        if hybrid:
            require_extra("hybrid")
        from query_adapters.finetuning.adapter import (
            AdapterFinetuner,  # needs scipy; serving must not
        )
        from query_adapters.training import AdapterTrainer, memories_of

        check_flags(bias=bias, hybrid=hybrid)
        settings = tuples(known(training, TrainerOptions))
        self._finetuner = AdapterFinetuner(
            dataset=counted_questions(to_retrieval_dataset(dataset)),
            embedder=embedder,
            output=Path(model_output_path),
            trainer=AdapterTrainer(
                memories=memories_of(memory),
                bias=bias,
                device=device,
                show_progress=verbose,
                **ranked_by(_similarity_of(index), settings),
            ),
            val_dataset=None if val_dataset is None else to_retrieval_dataset(val_dataset),
            index=None if index is None else gathered(index),
            start=None if adapter_model is None else _refinable(adapter_model),
            dim=dim,
            cache_path=None if cache_path is None else Path(cache_path),
            hybrid=hybrid,
            texts=texts,
            probe_text=checked_probe(probe_text),
            show_progress=verbose,
        )


class LabelFreeEngine(FinetuneEngine["LabelFreeResult"]):
    """Scales queries down along the directions in which the index's documents vary most.

    Needs no labels, so nothing shows whether it helps until a `check_dataset` is given: the
    verdict states "not checked". On the sets that this package is measured on, most gain a
    little and one loses a little. With a few hundred labelled questions, train an adapter
    instead: this whitening is the first of its candidates, under the same guard.

    Args:
        index: Vectors of the index that will be served, as in `AdapterFinetuneEngine`.
        embedder: The model that the index was built with. One question is embedded, to
            recognise the model later.
        model_output_path: Folder of the adapter.
        check_dataset: As in `LabelFreeOptions`.
        cache_path: As in `RunOptions`.
        probe_text: As in `LabelFreeOptions`.
        verbose: Whether to show a progress bar.
        **settings: As in `LabelFreeSettings`.

    Raises:
        InvalidDatasetError: If relevant documents of check questions are not in the index.
        InvalidVectorsError: If the index is empty.
        MissingExtraError: If the extra `train` is not installed.
        TypeError: If an argument is not of an expected type, or unknown.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        index: Index,
        embedder: TextEmbedder,
        *,
        model_output_path: str | Path,
        check_dataset: QADataset | RetrievalDataset | None = None,
        cache_path: str | Path | None = None,
        probe_text: str | EllipsisType | None = ...,
        verbose: bool = False,
        **settings: Unpack[LabelFreeSettings],
    ) -> None:
        require_extra("train")
        from query_adapters.finetuning.labelfree import (
            LabelFreeFinetuner,  # needs scipy; serving must not
        )

        known_settings = ranked_by(_similarity_of(index), known(settings, LabelFreeSettings))
        self._finetuner = LabelFreeFinetuner(
            index=gathered(index),
            embedder=embedder,
            output=Path(model_output_path),
            check=None
            if check_dataset is None
            else check_unweighted(to_retrieval_dataset(check_dataset), "check of the whitening"),
            cache_path=None if cache_path is None else Path(cache_path),
            probe_text=checked_probe(probe_text),
            show_progress=verbose,
            **known_settings,
        )


def read_start(folder: str | Path, *, model_name: str) -> RefinableAdapter:
    """Return the adapter in the folder, to be refined on the model of this name.

    Raises:
        AdapterFileError: If the folder does not hold a complete adapter.
        AdapterMismatchError: If it was trained on another model, or is of another kind than
            linear and kernel.
    """
    return start_of(read_adapter(folder), model_name=model_name)


def start_of(saved: SavedAdapter, *, model_name: str) -> RefinableAdapter:
    """Return the adapter, to be refined on the model of this name.

    Raises:
        AdapterMismatchError: As in `read_start`.
    """
    check_name(model_name, saved.record.base_model)
    return _refinable(saved.adapter)


def _similarity_of(index: Index | None) -> Similarity | None:
    return index.similarity if isinstance(index, StoreReader | StoredVectors) else None


def _refinable(adapter: object) -> RefinableAdapter:
    if isinstance(adapter, RefinableAdapter):
        return adapter
    raise AdapterMismatchError(
        "adapter_model: expected a query_adapters LinearAdapter or KernelAdapter, got "
        f"{type(adapter).__name__}; leave it out to start from the base, or load a saved one with "
        "from_model_path"
    )
