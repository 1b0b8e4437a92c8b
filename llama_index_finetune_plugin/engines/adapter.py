"""The engine that fine-tunes a query adapter on any embedding model."""

from pathlib import Path
from typing import Any, Self, Unpack

from llama_index.core import VectorStoreIndex

from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.embedding import AdapterEmbedding, LinearAdapterEmbedding
from llama_index_finetune_plugin.engines._obsolete import ObsoleteOptions, without_obsolete
from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.stores import Store, stored_similarity, stored_vectors
from llama_index_finetune_plugin.stores.live import live_index, own_model
from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.finetuning.engine import AdapterFinetuneEngine, StoredBlocks, read_start
from query_adapters.finetuning.from_index import AnyQuestions, onto_index
from query_adapters.finetuning.options import EngineOptions
from query_adapters.stores import StoredVectors
from query_adapters.stores.live import MAX_DOCUMENTS


class Options(EngineOptions, ObsoleteOptions, total=False):
    """The keyword-only arguments, with those of LlamaIndex's old engine."""


class EmbeddingAdapterFinetuneEngine(AdapterFinetuneEngine, BaseEmbeddingFinetuneEngine):
    """Learns a linear map on the query embeddings of any model; documents stay as they are.

    Settings are chosen on training questions held out in turn. Where no candidate is reliably
    better than the base, the adapter is the identity, and `result.verdict` says so.
    Settings that are left out are those of `AdapterTrainer`.

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
        index: The VectorStoreIndex that will be served, its store, blocks of (ids, vectors), or
            what was read before: vectors of the dataset's documents are read from it instead of
            embedded, and its documents shape the prior. All of them are read; `from_index` reads
            a sample, and needs no texts.
        memory: Whether to learn a memory of the training questions too: it gains most where
            questions recur, and is served by an AdapterEmbedding. Without it, the adapter is
            linear.
        val_dataset: Questions that only measure the result; nothing is chosen on them.
        metric: What candidates are compared by.
        guard: "strict" keeps an adapter only where its gain is more than chance explains,
            "expected" where it is likely, "off" always.
        seen_share: Expected share of future questions about documents that have training
            questions; without `index` a half. With one it is estimated: the share of its
            documents that have some, or more where questions come unevenly, as users' do. The
            verdict tells it; 1 if all questions to come are about the same documents.
        strengths: Candidates for λ, the pull back to the base.
        whitenings: Candidates for the exponent of the label-free spectral prior; the first
            stands unless another is clearly better.
        similarity: What the index ranks by, "cosine", "dot" or "euclidean"; by default what
            `index` tells, or "cosine".
        n_folds: Folds of the cross-validation.
        seed: Of the folds.
        cache_path: SQLite file of finished embeddings, instead of one in `model_output_path`.
        **options: The settings above and, of LlamaIndex's old engine, `epochs`, `device` and so
            on: one warning says what replaced each.

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
        index: Store | None = None,
        **options: Unpack[Options],
    ) -> None:
        positional = {
            "batch_size": batch_size,
            "epochs": epochs,
            "device": device,
            "model_checkpoint_path": model_checkpoint_path,
            "checkpoint_save_steps": checkpoint_save_steps,
        }
        given = {name: value for name, value in positional.items() if value is not None}
        embedder = LlamaIndexEmbedder(embed_model)
        super().__init__(
            dataset,
            embedder,
            model_output_path=model_output_path,
            adapter_model=adapter_model,
            index=_read(index),
            index_similarity=None if index is None else stored_similarity(index),
            dim=dim,
            bias=bias,
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
        *,
        val_dataset: AnyQuestions | None = None,
        model_output_path: str | Path = "model_output",
        check_model: bool = True,
        max_documents: int | None = MAX_DOCUMENTS,
        memory_map: bool | str | Path = False,
        **options: Any,
    ) -> Self:
        """Return an engine for an index that is there already; it is read, never written to.

        No document is embedded, but three for `check_model`. Nodes that answer a question are
        read by id; of the others, which shape the prior and are searched to choose settings and
        to validate, all or a random sample.

        Args:
            dataset: Training questions with the ids of the nodes that answer them: a dataset,
                whose corpus is not needed; or pairs, or a mapping, of question and node ids.
            index: The index.
            embed_model: The model that the index was built with; by default the index's own,
                without the adapter that it may have.
            val_dataset: Questions that only measure the result; they search what was read.
            model_output_path: As in the constructor.
            check_model: Whether to embed three nodes, as the index did, and to refuse a model
                whose vectors are not the stored ones. Skipped where the store gives no nodes
                back (LanceDB, PostgreSQL with `use_halfvec`).
            max_documents: The most nodes to read besides those that answer a question; None
                for all.
            memory_map: Keep the vectors in a `.npy` file instead of in memory: its path, or True
                for `index.npy` in `model_output_path`, which may be deleted after training.
            **options: As in the constructor.

        Raises:
            AdapterMismatchError: If the index was built with another model.
            DimensionMismatchError: If its vectors are of another length than the model's, or
                differ in length.
            InvalidDatasetError: If nodes that answer a question are not in the index.
            InvalidVectorsError: If the index is empty, or lost nodes while it was read.
            UnreadableStoreError: If vectors cannot be read back from its store.
        """
        embedder = LlamaIndexEmbedder(own_model(index) if embed_model is None else embed_model)
        onto = onto_index(
            live_index(index),
            dataset,
            embedder,
            val_dataset=val_dataset,
            output=model_output_path,
            check_model=check_model,
            max_documents=max_documents,
            memory_map=memory_map,
            seed=options.get("seed", 0),
        )
        return cls(
            onto["dataset"],
            embedder.embed_model,
            index=onto["stored"],
            val_dataset=onto["val_dataset"],
            model_output_path=model_output_path,
            **options,
        )

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
        embedder = LlamaIndexEmbedder(embed_model)
        start = read_start(model_path, model_name=embedder.model_name)
        return cls(dataset, embedder.embed_model, adapter_model=start, **options)

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


def _read(index: Store | None) -> StoredBlocks | StoredVectors | None:
    return index if index is None or isinstance(index, StoredVectors) else stored_vectors(index)
