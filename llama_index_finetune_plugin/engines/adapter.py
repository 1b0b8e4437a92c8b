"""The engine that fine-tunes a query adapter on any embedding model."""

from pathlib import Path
from typing import Any, Self, Unpack

from llama_index.core import VectorStoreIndex

from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.embedding import LinearAdapterEmbedding
from llama_index_finetune_plugin.engines._obsolete import ObsoleteOptions, without_obsolete
from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.fusion import FusionRetriever, RetrieverOptions
from llama_index_finetune_plugin.stores import Store
from llama_index_finetune_plugin.stores.live import live_index, opened, own_model
from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.data.units import UnitsOption
from query_adapters.finetuning.engine import AdapterFinetuneEngine, read_start
from query_adapters.finetuning.from_index import read_existing_index
from query_adapters.finetuning.options import AnyQuestions, EngineOptions, IndexOptions


class Options(EngineOptions, ObsoleteOptions, total=False):
    """The keyword-only arguments, including those of LlamaIndex's old engine."""


class EmbeddingAdapterFinetuneEngine(AdapterFinetuneEngine, BaseEmbeddingFinetuneEngine):
    """Learns a linear map on the query embeddings of any model; documents stay as they are.

    Settings are chosen on training questions held out in turn. Where no candidate is reliably
    better than the base, the adapter is the identity, and `result.verdict` states it.

    Args:
        dataset: Training questions: an EmbeddingQAFinetuneDataset, a RetrievalDataset, or any
            object with `queries`, `corpus` and `relevant_docs`.
        embed_model: The base: a LlamaIndex embedding model, a string that LlamaIndex resolves, or
            a LangChain `Embeddings`.
        batch_size: Without effect, like `epochs`, `model_checkpoint_path` and
            `checkpoint_save_steps` of LlamaIndex's old engine: one warning names what replaced
            each.
        epochs: As `batch_size`.
        adapter_model: A LinearAdapter or KernelAdapter to refine instead of starting from the base.
        dim: Length of the model's vectors, checked on the first question.
        device: As in `AdapterTrainer`; None for the CPU.
        model_output_path: Folder of the adapter. Embeddings computed so far are kept there too,
            so that an interrupted run resumes.
        model_checkpoint_path: As `batch_size`.
        checkpoint_save_steps: As `batch_size`.
        verbose: Whether to show progress bars.
        bias: As in `AdapterTrainer`.
        index: The VectorStoreIndex that will be served, its store, a StoredVectors, or blocks of
            (ids, vectors). Vectors of the dataset's documents are read from it instead of
            embedded, and its documents shape the prior. All of them are read; `from_index` reads
            a sample, and needs no texts.
        units: As in `IndexOptions`, for an `index` that is a VectorStoreIndex. The dataset's ids
            are those of units then, and its documents are not embedded.
        **options: As in `EngineOptions`. Options of the old engine are accepted with the warning
            above.

    Raises:
        QueryAdaptersError: As `AdapterFinetuneEngine`.
        UnreadableStoreError: If vectors cannot be read back from the index.
        TypeError: If an argument is unknown, or not of an expected type.
    """

    def __init__(
        self,
        dataset: QADataset | RetrievalDataset,
        embed_model: BaseLike,
        batch_size: int | None = None,
        epochs: int | None = None,
        adapter_model: RefinableAdapter | None = None,
        dim: int | None = None,
        device: str | None = None,
        model_output_path: str | Path = "model_output",
        model_checkpoint_path: str | None = None,
        checkpoint_save_steps: int | None = None,
        verbose: bool = False,
        bias: bool = True,
        *,
        index: Store | None = None,
        units: UnitsOption = "chunk",
        **options: Unpack[Options],
    ) -> None:
        positional = {
            "batch_size": batch_size,
            "epochs": epochs,
            "model_checkpoint_path": model_checkpoint_path,
            "checkpoint_save_steps": checkpoint_save_steps,
        }
        given = {name: value for name, value in positional.items() if value is not None}
        embedder = LlamaIndexEmbedder(embed_model)
        if options.get("hybrid") and isinstance(index, VectorStoreIndex):
            options.setdefault("texts", live_index(index).stored_texts)
        super().__init__(
            dataset,
            embedder,
            model_output_path=model_output_path,
            adapter_model=adapter_model,
            index=None if index is None else opened(index, units),
            dim=dim,
            bias=bias,
            device="cpu" if device is None else device,
            verbose=verbose,
            **without_obsolete({**given, **options}, stacklevel=2),
        )
        self._embed_model = embedder.embed_model

    @classmethod
    def from_index(
        cls,
        dataset: AnyQuestions,
        index: VectorStoreIndex,
        embed_model: BaseLike | None = None,
        **options: Unpack[IndexOptions],
    ) -> Self:
        """Return an engine that trains on an existing index, which is only read.

        At most three nodes are embedded, for `check_model`. Relevant nodes are read by id. Of the
        other nodes, all or a random sample are read: they shape the prior and are searched to
        choose settings and to validate.

        Args:
            dataset: Training questions with the ids of their relevant nodes: a dataset, whose
                corpus is not needed; or pairs, or a mapping, of question and node ids.
            index: The index.
            embed_model: The model that the index was built with; by default the index's own,
                without its adapter if it has one.
            **options: As in `IndexOptions`.

        Raises:
            QueryAdaptersError: As `query_adapters.finetuning.from_index.read_existing_index`.
        """
        live = live_index(index, options.pop("units", "chunk"))
        embedder = LlamaIndexEmbedder(own_model(index) if embed_model is None else embed_model)
        existing = read_existing_index(live, dataset, embedder, **options)
        return cls(
            existing.dataset, embedder.embed_model, index=existing.stored, **existing.options
        )

    @classmethod
    def from_model_path(
        cls,
        dataset: QADataset | RetrievalDataset,
        embed_model: BaseLike,
        model_path: str | Path,
        **options: Any,
    ) -> Self:
        """Return an engine that refines a saved adapter; it is regularized toward that adapter.

        Args:
            dataset: As in the constructor.
            embed_model: As in the constructor; the model that the adapter was trained on.
            model_path: The adapter's folder, also one that the old LlamaIndex engine saved.
            **options: As in the constructor.

        Raises:
            AdapterFileError: If the folder does not hold a complete adapter.
            AdapterMismatchError: If it was trained on another model, or is of another kind than
                linear and kernel.
        """
        embedder = LlamaIndexEmbedder(embed_model)
        start = read_start(model_path, model_name=embedder.model_name)
        return cls(dataset, embedder.embed_model, adapter_model=start, **options)

    def get_finetuned_model(self, **model_kwargs: Any) -> LinearAdapterEmbedding:
        """Return the base with the trained adapter on its queries.

        Args:
            **model_kwargs: As in `LinearAdapterEmbedding`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        return LinearAdapterEmbedding(
            self._embed_model, adapter_path=self._saved_folder, **model_kwargs
        )

    def get_finetuned_retriever(
        self,
        index: VectorStoreIndex,
        *,
        similarity_top_k: int = 10,
        **options: Unpack[RetrieverOptions],
    ) -> FusionRetriever:
        """Return the learned retriever on the index; the engine was made with `hybrid=True`.

        Args:
            index: The index to retrieve from, built with the base model.
            similarity_top_k: Number of nodes to retrieve.
            **options: As in `FusionRetriever`.

        Raises:
            AdapterFileError: If no scoring head was learned.
            NotFinetunedError: If `finetune()` has not run.
        """
        return FusionRetriever.load(
            self._saved_folder,
            index,
            self._embed_model,
            similarity_top_k=similarity_top_k,
            **options,
        )
