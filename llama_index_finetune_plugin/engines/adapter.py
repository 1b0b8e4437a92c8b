"""The engine that fine-tunes a query adapter on any embedding model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from llama_index.core import VectorStoreIndex

from llama_index_finetune_plugin.dataset import QADataset, to_retrieval_dataset
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.embedding import AdapterEmbedding, LinearAdapterEmbedding
from llama_index_finetune_plugin.engines._obsolete import warn_of_obsolete
from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.stores import stored_vectors
from query_adapters._extras import require_extra
from query_adapters.adapters import LinearAdapter
from query_adapters.dataset import RetrievalDataset
from query_adapters.errors import AdapterMismatchError, NotFinetunedError
from query_adapters.identity import check_name, model_name_of
from query_adapters.storage import read_adapter
from query_adapters.stores import gather

if TYPE_CHECKING:
    from query_adapters.finetuning import FinetuneResult

STRENGTHS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
WHITENINGS = (0.15, 0.0, 0.3)


class EmbeddingAdapterFinetuneEngine(BaseEmbeddingFinetuneEngine):
    """Learns a linear map on the query embeddings of any model; documents stay as they are.

    Settings are chosen on training questions held out in turn. Where no candidate is reliably
    better than the base, the adapter is the identity, and `result.training.verdict` says so.

    Args:
        dataset: Training questions: an EmbeddingQAFinetuneDataset, a RetrievalDataset, or any
            object with `queries`, `corpus` and `relevant_docs`.
        embed_model: The base: a LlamaIndex embedding model, a string that LlamaIndex resolves, or
            a LangChain `Embeddings`.
        adapter_model: A LinearAdapter to refine instead of starting from the base.
        dim: Length of the model's vectors, checked on the first question.
        model_output_path: Folder of the adapter; finished embeddings are kept there too, so
            that a run that was cut short resumes.
        verbose: Whether to show progress bars.
        bias: Whether to learn a bias as well.
        memory: Whether to learn a memory of the training questions too: it gains most where
            questions recur, and is served by an AdapterEmbedding. Without it, the adapter is
            linear.
        val_dataset: Questions that only measure the result; nothing is chosen on them.
        index: The VectorStoreIndex that will be served: vectors of the dataset's documents are
            read from it instead of embedded, and its documents shape the prior.
        metric: What candidates are compared by.
        guard: "strict" keeps an adapter only where its gain is more than chance explains,
            "expected" where it is likely, "off" always.
        seen_share: Expected share of future questions about documents that have training
            questions; by default the share of the index's documents that have some, or a half
            without `index`.
        strengths: Candidates for λ, the pull back to the base.
        whitenings: Candidates for the exponent of the label-free spectral prior; the first
            stands unless another is clearly better.
        n_folds: Folds of the cross-validation.
        seed: Of the folds.
        cache_path: SQLite file of finished embeddings, instead of one in `model_output_path`.
        **obsolete: Parameters of LlamaIndex's old engine (`epochs`, `batch_size`, `device` ...):
            one warning says what replaced each.

    Raises:
        InvalidDatasetError: If a dataset's parts do not fit together.
        LeakageError: If a validation question is a training question.
        MissingExtraError: If the extra `train` is not installed.
        TypeError: If an argument is not of an expected type, or unknown.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        dataset: QADataset | RetrievalDataset,
        embed_model: BaseLike,
        batch_size: int | None = None,
        epochs: int | None = None,
        adapter_model: LinearAdapter | None = None,
        dim: int | None = None,
        device: str | None = None,
        model_output_path: str | Path = "model_output",
        model_checkpoint_path: str | None = None,
        checkpoint_save_steps: int | None = None,
        verbose: bool = False,
        bias: bool = False,
        *,
        val_dataset: QADataset | RetrievalDataset | None = None,
        index: VectorStoreIndex | None = None,
        memory: bool = False,
        metric: str = "ndcg@10",
        guard: Literal["strict", "expected", "off"] = "strict",
        seen_share: float | None = None,
        strengths: Sequence[float] = STRENGTHS,
        whitenings: Sequence[float] = WHITENINGS,
        n_folds: int = 4,
        seed: int = 0,
        cache_path: str | Path | None = None,
        **obsolete: Any,
    ) -> None:
        require_extra("train")
        from query_adapters.finetuning import AdapterFinetuner  # needs scipy; serving must not
        from query_adapters.training import MEMORIES, AdapterTrainer

        positional = {
            "batch_size": batch_size,
            "epochs": epochs,
            "device": device,
            "model_checkpoint_path": model_checkpoint_path,
            "checkpoint_save_steps": checkpoint_save_steps,
        }
        given = {name: value for name, value in positional.items() if value is not None}
        warn_of_obsolete(given | obsolete, stacklevel=2)
        embedder = LlamaIndexEmbedder(embed_model)
        trainer = AdapterTrainer(
            whitenings=tuple(whitenings),
            strengths=tuple(strengths),
            memories=MEMORIES if memory else (),
            metric=metric,
            guard=guard,
            n_folds=n_folds,
            seen_share=seen_share,
            bias=bias,
            seed=seed,
            show_progress=verbose,
        )
        self._embed_model = embedder.embed_model
        self._finetuner = AdapterFinetuner(
            dataset=to_retrieval_dataset(dataset),
            embedder=embedder,
            output=Path(model_output_path),
            trainer=trainer,
            val_dataset=None if val_dataset is None else to_retrieval_dataset(val_dataset),
            index=None if index is None else gather(stored_vectors(index)),
            start=_linear(adapter_model),
            dim=dim,
            cache_path=None if cache_path is None else Path(cache_path),
            show_progress=verbose,
        )
        self._result: FinetuneResult | None = None

    @classmethod
    def from_model_path(
        cls,
        dataset: QADataset | RetrievalDataset,
        embed_model: BaseLike,
        model_path: str | Path,
        **options: Any,
    ) -> Self:
        """Return an engine that refines the adapter in a folder.

        Training is pulled back to that adapter instead of to the base.

        Args:
            dataset: As in the constructor.
            embed_model: As in the constructor; the model that the adapter was trained on.
            model_path: The adapter's folder, also one that the old LlamaIndex engine saved.
            **options: As in the constructor.

        Raises:
            AdapterFileError: If the folder does not hold a whole adapter.
            AdapterMismatchError: If it was trained on another model, or is not linear.
        """
        saved = read_adapter(model_path)
        base = LlamaIndexEmbedder(embed_model).embed_model
        check_name(model_name_of(base), saved.record.base_model)
        return cls(dataset, base, adapter_model=_linear(saved.adapter), **options)

    def finetune(self) -> None:
        """Embed what is not embedded yet, train, and save to `model_output_path`.

        Raises:
            InvalidVectorsError: If the model gives vectors that are not finite.
            DimensionMismatchError: If model, index and `dim` do not agree.
        """
        self._result = self._finetuner.run()

    def get_finetuned_model(self, **model_kwargs: Any) -> AdapterEmbedding:
        """Return the base with the trained adapter on its queries.

        Args:
            **model_kwargs: As in `AdapterEmbedding`.

        Returns:
            A LinearAdapterEmbedding, or an AdapterEmbedding where a memory was learned.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        is_linear = isinstance(self.result.saved.adapter, LinearAdapter)
        model_class = LinearAdapterEmbedding if is_linear else AdapterEmbedding
        return model_class(self._embed_model, adapter_path=self._finetuner.output, **model_kwargs)

    @property
    def result(self) -> "FinetuneResult":
        """The adapter, the out-of-fold table with its verdict, and the validation figures.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        if self._result is None:
            raise NotFinetunedError(
                "expected a fine-tuned engine, got none; call finetune() first, or load an adapter "
                "with LinearAdapterEmbedding(base_embed_model, folder)"
            )
        return self._result


def _linear(adapter: object) -> LinearAdapter | None:
    if adapter is None or isinstance(adapter, LinearAdapter):
        return adapter
    raise AdapterMismatchError(
        f"adapter_model: expected a query_adapters LinearAdapter, got {type(adapter).__name__}; "
        "leave it out to start from the base, or load a saved one with from_model_path"
    )
