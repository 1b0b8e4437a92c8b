"""The engine that fine-tunes the open model itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding

from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.stores import stored_vectors
from query_adapters._extras import require_extra
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.finetuning.base import WrappedEngine

if TYPE_CHECKING:
    from query_adapters.model_tuning import TowerResult  # noqa: F401 (in a string)
    from query_adapters.model_tuning.settings import LossLike


class SentenceTransformersFinetuneEngine(WrappedEngine["TowerResult"], BaseEmbeddingFinetuneEngine):
    """Fine-tunes a sentence-transformers model, whole or its query tower alone.

    With train="both", documents must be embedded again with the tuned model. With train="query",
    the index stays as it is. The base and the tuned model are compared on held-out questions; where
    no gain can be shown, the base is saved, and `result.verdict` states it. Needs the extra
    `huggingface`.

    Args:
        dataset: Training questions: an EmbeddingQAFinetuneDataset, a RetrievalDataset, or any
            object with `queries`, `corpus` and `relevant_docs`.
        model_id: The base: a hub name or a folder.
        model_output_path: Folder of the model, new or of an earlier run; nothing is written outside
            it.
        batch_size: Training pairs per step; more is better where negatives come from the batch.
        val_dataset: Held-out questions, which choose the best weights and measure them. By default
            a fifth of the training questions, about other documents.
        loss: A sentence-transformers loss, or a function from a model to one; by default
            MultipleNegativesRankingLoss over batches without duplicates.
        epochs: Passes over the training set.
        show_progress_bar: Whether to show progress bars.
        evaluation_steps: Steps between evaluations on the held-out questions.
        use_all_docs: Whether every relevant document of a question counts, or only the first.
        trust_remote_code: Whether code that comes with the model may run.
        device: Device to run on.
        save_checkpoints: Whether to keep checkpoints from which training can resume.
        resume_from_checkpoint: Whether to resume from the last checkpoint, if there is one.
        checkpoint_save_steps: Steps between checkpoints.
        checkpoint_save_total_limit: Number of checkpoints to keep; 0 for all.
        train: "both" towers, or "query" alone.
        index: For train="query", the VectorStoreIndex that will be served: vectors of the dataset's
            documents are read from it instead of embedded.
        lora: Rank of a low-rank update (extra: lora) instead of all weights.
        hard_negatives: Hard negatives per pair, mined by the base model; 0 for none.
        pull: Weight of the regularization toward the base; for train="query" only.
        interpolations: Interpolation factors between the base's weights (0) and the tuned ones (1),
            compared on the held-out questions.
        keep_base_if_worse: Whether the base is saved if no gain can be shown.
        learning_rate: By default 2e-5, with LoRA 2e-4.
        held_out: Share of the training questions held out where there is no `val_dataset`.
        max_seq_length: The most tokens of a text that the model reads; by default its own limit.
        query_instruction: Prefix of queries; by default LlamaIndex's for this model. It is saved
            with the model.
        text_instruction: The same for documents.
        seed: Seed of batches, dropout and the split; at least 0.
        training_args: Any other argument of SentenceTransformerTrainingArguments, such as
            `{"bf16": True}`.

    Raises:
        InvalidDatasetError: If a dataset's parts do not fit together.
        LeakageError: If a validation question is a training question.
        MissingExtraError: If the extra `huggingface` is not installed.
        ValueError: If a setting is out of range, or two settings contradict each other.
    """

    def __init__(
        self,
        dataset: QADataset | RetrievalDataset,
        model_id: str = "BAAI/bge-small-en",
        model_output_path: str | Path = "exp_finetune",
        batch_size: int = 10,
        val_dataset: QADataset | RetrievalDataset | None = None,
        loss: "LossLike | None" = None,
        epochs: float = 2,
        show_progress_bar: bool = True,
        evaluation_steps: int = 50,
        use_all_docs: bool = True,
        trust_remote_code: bool = False,
        device: str | None = None,
        save_checkpoints: bool = False,
        resume_from_checkpoint: bool = False,
        checkpoint_save_steps: int = 500,
        checkpoint_save_total_limit: int = 0,
        *,
        train: Literal["both", "query"] = "both",
        index: VectorStoreIndex | None = None,
        lora: int | None = None,
        hard_negatives: int = 0,
        pull: float = 1.0,
        interpolations: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0),
        keep_base_if_worse: bool = True,
        learning_rate: float | None = None,
        held_out: float = 0.2,
        max_seq_length: int | None = None,
        query_instruction: str | None = None,
        text_instruction: str | None = None,
        seed: int = 0,
        training_args: dict[str, Any] | None = None,
    ) -> None:
        require_extra("huggingface")
        from query_adapters.model_tuning import TowerFinetuneEngine  # needs torch; serving must not

        self._folder = Path(model_output_path)
        self._serving = {"device": device, "trust_remote_code": trust_remote_code}
        self._engine = TowerFinetuneEngine(
            dataset,
            model_id,
            model_output_path=model_output_path,
            val_dataset=val_dataset,
            index=None if index is None else stored_vectors(index),
            device=device,
            trust_remote_code=trust_remote_code,
            max_seq_length=max_seq_length,
            prompts=_prompts(model_id, query_instruction, text_instruction),
            show_progress_bar=show_progress_bar,
            train=train,
            batch_size=batch_size,
            epochs=epochs,
            learning_rate=learning_rate,
            loss=loss,
            use_all_docs=use_all_docs,
            lora=lora,
            hard_negatives=hard_negatives,
            pull=pull,
            interpolations=interpolations,
            held_out=held_out,
            keep_base_if_worse=keep_base_if_worse,
            evaluation_steps=evaluation_steps,
            save_checkpoints=save_checkpoints,
            resume_from_checkpoint=resume_from_checkpoint,
            checkpoint_save_steps=checkpoint_save_steps,
            checkpoint_save_total_limit=checkpoint_save_total_limit,
            seed=seed,
            training_args=training_args or {},
        )

    def get_finetuned_model(self, **model_kwargs: Any) -> BaseEmbedding:
        """Return the saved model, which is the base where no gain could be shown.

        Args:
            **model_kwargs: As in `SentenceTransformersEmbedding`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        _ = self.result
        from llama_index_finetune_plugin.sentence_transformers import SentenceTransformersEmbedding

        model: BaseEmbedding = SentenceTransformersEmbedding(
            self._folder, **{**self._serving, **model_kwargs}
        )
        return model


def _prompts(model_id: str, query: str | None, document: str | None) -> dict[str, str]:
    """Return the prefixes that a HuggingFaceEmbedding of the model would use, if any."""
    from llama_index.embeddings.huggingface.utils import (
        get_query_instruct_for_model_name,
        get_text_instruct_for_model_name,
    )

    prompts = {
        "query": query or get_query_instruct_for_model_name(model_id),
        "document": document or get_text_instruct_for_model_name(model_id),
    }
    return {name: prompt for name, prompt in prompts.items() if prompt}
