"""The model-tuning engine of the core; each integration wraps it for its own types."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypedDict, Unpack

from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.data.weights import check_unweighted
from query_adapters.finetuning.base import FinetuneEngine
from query_adapters.model_tuning.finetuner import TowerFinetuner
from query_adapters.model_tuning.result import TowerResult
from query_adapters.model_tuning.settings import LossLike, TowerSettings
from query_adapters.stores import gather
from query_adapters.stores.reader import StoredBlocks


class TowerOptions(TypedDict, total=False):
    """Settings of the training; `TowerSettings` explains them and holds their defaults."""

    train: Literal["both", "query"]
    batch_size: int
    epochs: float
    learning_rate: float | None
    loss: LossLike | None
    use_all_docs: bool
    lora: int | None
    hard_negatives: int
    pull: float
    interpolations: tuple[float, ...]
    held_out: float
    keep_base_if_worse: bool
    evaluation_steps: int
    save_checkpoints: bool
    resume_from_checkpoint: bool
    checkpoint_save_steps: int
    checkpoint_save_total_limit: int
    seed: int
    training_args: Mapping[str, Any]


class TowerFinetuneEngine(FinetuneEngine[TowerResult]):
    """Fine-tunes a sentence-transformers model, whole or its query tower alone.

    Args:
        dataset: Training questions.
        model_id: The base: a hub name or a folder.
        model_output_path: Folder of the model, new or of an earlier run; nothing is written
            elsewhere.
        val_dataset: Held-out questions; by default a part of the training ones.
        index: For train="query", what the index to be served holds, in blocks.
        device: Where to run.
        trust_remote_code: Whether code that comes with the model may run.
        max_seq_length: Tokens of a text that the model reads.
        prompts: Prefixes of texts, by name ("query", "document").
        show_progress_bar: Whether to show a progress bar.
        **settings: As in `TowerSettings`.

    Raises:
        InvalidDatasetError: If the parts of a dataset do not fit together.
        LeakageError: If a validation question is a training question.
        TypeError: If an argument is unknown.
        ValueError: If a setting is out of range.
    """

    _otherwise: ClassVar[str] = "load a model that is there already from its folder"
    _finetuner: TowerFinetuner

    def __init__(
        self,
        dataset: QADataset | RetrievalDataset,
        model_id: str,
        *,
        model_output_path: str | Path,
        val_dataset: QADataset | RetrievalDataset | None = None,
        index: StoredBlocks | None = None,
        device: str | None = None,
        trust_remote_code: bool = False,
        max_seq_length: int | None = None,
        prompts: Mapping[str, str] | None = None,
        show_progress_bar: bool = True,
        **settings: Unpack[TowerOptions],
    ) -> None:
        self._finetuner = TowerFinetuner(
            dataset=check_unweighted(to_retrieval_dataset(dataset), "tuning of the model"),
            model_id=model_id,
            output=Path(model_output_path),
            settings=TowerSettings(**settings),
            val_dataset=None
            if val_dataset is None
            else check_unweighted(to_retrieval_dataset(val_dataset), "tuning of the model"),
            index=None if index is None else gather(index),
            device=device,
            trust_remote_code=trust_remote_code,
            max_seq_length=max_seq_length,
            prompts=prompts or {},
            show_progress=show_progress_bar,
        )

    def finetune(self) -> None:
        """Train, judge, and save to `model_output_path`.

        Raises:
            AdapterMismatchError: If the model ranks by neither cosine nor dot, or for
                train="query" has routes already.
            DimensionMismatchError: If the index's vectors are of another length.
            InvalidDatasetError: If there are too few questions to hold any out.
        """
        super().finetune()
