"""The engine that fine-tunes a query adapter on any LangChain embedding model."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, Unpack

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from langchain_adapter.documents import Questions, dataset_from_documents
from langchain_adapter.embedder import BaseLike
from langchain_adapter.embeddings import AdapterEmbeddings, LinearAdapterEmbeddings
from langchain_adapter.engines.base import embedder_of
from langchain_adapter.stores import Store, stored_similarity, stored_vectors
from langchain_adapter.stores.live import live_index
from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.finetuning.engine import AdapterFinetuneEngine, StoredBlocks, read_start
from query_adapters.finetuning.from_index import AnyQuestions, onto_index
from query_adapters.finetuning.options import EngineOptions
from query_adapters.stores import StoredVectors
from query_adapters.stores.live import MAX_DOCUMENTS


class EmbeddingAdapterFinetuneEngine(AdapterFinetuneEngine):
    """Learns a linear map on the query embeddings of any model; documents stay as they are.

    Settings are chosen on training questions held out in turn. Where no candidate is reliably
    better than the base, the adapter is the identity, and `result.verdict` says so.
    Settings that are left out are those of `AdapterTrainer`.

    Args:
        dataset: Training questions: a RetrievalDataset, or any object with `queries`, `corpus`
            and `relevant_docs`; `from_documents` takes LangChain documents instead.
        embeddings: The base: a LangChain embedding model, or a LlamaIndex one; by default the
            vector store's, without the adapter that it may have already.
        model_output_path: Folder of the adapter; finished embeddings are kept there too, so
            that a run that was cut short resumes.
        vectorstore: The vector store that will be served, or blocks of (ids, vectors) or what was
            read before in its place: vectors of the dataset's documents are read from it instead
            of embedded, and its documents shape the prior. All of them are read;
            `from_vectorstore` reads a sample, and needs no texts.
        adapter_model: A LinearAdapter to refine instead of starting from the base.
        dim: Length of the model's vectors, checked on the first question.
        bias: Whether to learn a bias as well.
        verbose: Whether to show progress bars.
        memory: Whether to learn a memory of the training questions too: it gains most where
            questions recur, and is served by an AdapterEmbeddings. Without it, the adapter is
            linear.
        val_dataset: Questions that only measure the result; nothing is chosen on them.
        metric: What candidates are compared by.
        guard: "strict" keeps an adapter only where its gain is more than chance explains,
            "expected" where it is likely, "off" always.
        seen_share: Expected share of future questions about documents that have training
            questions; without `vectorstore` a half. With one it is estimated: the share of its
            documents that have some, or more where questions come unevenly, as users' do. The
            verdict tells it; 1 if all questions to come are about the same documents.
        strengths: Candidates for λ, the pull back to the base.
        whitenings: Candidates for the exponent of the label-free spectral prior; the first
            stands unless another is clearly better.
        similarity: What the store ranks by, "cosine", "dot" or "euclidean"; by default what
            `vectorstore` tells, or "cosine".
        n_folds: Folds of the cross-validation.
        seed: Of the folds.
        cache_path: SQLite file of finished embeddings, instead of one in `model_output_path`.
        **options: The settings above, from `memory` on.

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
        embeddings: BaseLike | None = None,
        *,
        model_output_path: str | Path = "model_output",
        vectorstore: Store | None = None,
        adapter_model: LinearAdapter | None = None,
        dim: int | None = None,
        bias: bool = False,
        verbose: bool = False,
        **options: Unpack[EngineOptions],
    ) -> None:
        embedder = embedder_of(embeddings, vectorstore)
        super().__init__(
            dataset,
            embedder,
            model_output_path=model_output_path,
            adapter_model=adapter_model,
            index=_read(vectorstore),
            index_similarity=None if vectorstore is None else stored_similarity(vectorstore),
            dim=dim,
            bias=bias,
            verbose=verbose,
            **options,
        )
        self._embeddings = embedder.embeddings

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        questions: Questions,
        embeddings: BaseLike | None = None,
        *,
        id_key: str | None = None,
        **options: Any,
    ) -> Self:
        """Return an engine for LangChain documents and questions about them.

        Args:
            documents: The documents, those that answer no question too.
            questions: Question texts with the ids of their relevant documents, as a mapping or
                as pairs.
            embeddings: As in the constructor.
            id_key: The metadata key of a document's id; by default it is `Document.id`.
            **options: As in the constructor.

        Raises:
            InvalidDatasetError: If a document has no id, two have the same, or a question's
                document is missing.
        """
        dataset = dataset_from_documents(documents, questions, id_key=id_key)
        return cls(dataset, embeddings, **options)

    @classmethod
    def from_vectorstore(
        cls,
        dataset: AnyQuestions,
        vectorstore: VectorStore,
        embeddings: BaseLike | None = None,
        *,
        val_dataset: AnyQuestions | None = None,
        model_output_path: str | Path = "model_output",
        check_model: bool = True,
        max_documents: int | None = MAX_DOCUMENTS,
        memory_map: bool | str | Path = False,
        **options: Any,
    ) -> Self:
        """Return an engine for a vector store that is there already; it is never written to.

        No document is embedded, but three for `check_model`. Documents that answer a question are
        read by id; of the others, which shape the prior and are searched to choose settings and
        to validate, all or a random sample.

        Args:
            dataset: Training questions with the ids of the documents that answer them: a dataset,
                whose corpus is not needed; or pairs, or a mapping, of question and ids.
            vectorstore: The vector store.
            embeddings: The model that the store was filled with; by default the store's own,
                without the adapter that it may have.
            val_dataset: Questions that only measure the result; they search what was read.
            model_output_path: As in the constructor.
            check_model: Whether to embed three documents and to refuse a model whose vectors are
                not the stored ones. Skipped where the store gives no documents back (LanceDB).
            max_documents: The most documents to read besides those that answer a question; None
                for all.
            memory_map: Keep the vectors in a `.npy` file instead of in memory: its path, or True
                for `index.npy` in `model_output_path`, which may be deleted after training.
            **options: As in the constructor.

        Raises:
            AdapterMismatchError: If the store was filled with another model.
            DimensionMismatchError: If its vectors are of another length than the model's, or
                differ in length.
            InvalidDatasetError: If documents that answer a question are not in the store.
            InvalidVectorsError: If the store is empty, or lost documents while it was read.
            UnreadableStoreError: If vectors cannot be read back from it.
        """
        embedder = embedder_of(embeddings, vectorstore)
        onto = onto_index(
            live_index(vectorstore),
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
            embedder.embeddings,
            vectorstore=onto["stored"],
            val_dataset=onto["val_dataset"],
            model_output_path=model_output_path,
            **options,
        )

    @classmethod
    def from_model_path(
        cls,
        dataset: QADataset | RetrievalDataset,
        embeddings: BaseLike | None,
        model_path: str | Path,
        *,
        vectorstore: Store | None = None,
        **options: Any,
    ) -> Self:
        """Return an engine that refines the adapter in a folder.

        Training is pulled back to that adapter instead of to the base.

        Args:
            dataset: As in the constructor.
            embeddings: As in the constructor; the model that the adapter was trained on.
            model_path: The adapter's folder.
            vectorstore: As in the constructor.
            **options: As in the constructor.

        Raises:
            AdapterFileError: If the folder does not hold a whole adapter.
            AdapterMismatchError: If it was trained on another model, or is not linear.
        """
        embedder = embedder_of(embeddings, vectorstore)
        start = read_start(model_path, model_name=embedder.model_name)
        return cls(
            dataset, embedder.embeddings, vectorstore=vectorstore, adapter_model=start, **options
        )

    def get_finetuned_model(self, **model_kwargs: Any) -> AdapterEmbeddings:
        """Return the base with the trained adapter on its queries.

        Args:
            **model_kwargs: As in `AdapterEmbeddings`.

        Returns:
            A LinearAdapterEmbeddings, or an AdapterEmbeddings where a memory was learned.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        is_linear = isinstance(self.result.saved.adapter, LinearAdapter)
        model_class = LinearAdapterEmbeddings if is_linear else AdapterEmbeddings
        return model_class(self._embeddings, self._finetuner.output, **model_kwargs)


def _read(store: Store | None) -> StoredBlocks | StoredVectors | None:
    return store if store is None or isinstance(store, StoredVectors) else stored_vectors(store)
