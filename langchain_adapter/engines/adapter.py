"""The engine that fine-tunes a query adapter on any LangChain embedding model."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, Unpack

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from langchain_adapter.documents import Questions, dataset_from_documents
from langchain_adapter.embedder import BaseLike
from langchain_adapter.embeddings import LinearAdapterEmbeddings
from langchain_adapter.engines.base import embedder_of
from langchain_adapter.fusion import FusionOptions, FusionRetriever
from langchain_adapter.stores import Store
from langchain_adapter.stores.live import live_index, opened
from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.data.units import UnitsOption
from query_adapters.finetuning.engine import AdapterFinetuneEngine, read_start
from query_adapters.finetuning.from_index import read_existing_index
from query_adapters.finetuning.options import AnyQuestions, EngineOptions, IndexOptions


class EmbeddingAdapterFinetuneEngine(AdapterFinetuneEngine):
    """Learns a linear map on the query embeddings of any model; documents stay as they are.

    Settings are chosen on training questions held out in turn. Where no candidate is reliably
    better than the base, the adapter is the identity, and `result.verdict` states it.

    Args:
        dataset: Training questions: a RetrievalDataset, or any object with `queries`, `corpus`
            and `relevant_docs`; `from_documents` takes LangChain documents instead.
        embeddings: The base: a LangChain embedding model, or a LlamaIndex one; by default the
            vector store's, without its adapter if it has one.
        model_output_path: Folder of the adapter. Embeddings computed so far are kept there too,
            so that an interrupted run resumes.
        vectorstore: The vector store that will be served, a StoredVectors, or blocks of (ids,
            vectors). Vectors of the dataset's documents are read from it instead of embedded, and
            its documents shape the prior. All of them are read; `from_vectorstore` reads a
            sample, and needs no texts.
        units: As in `IndexOptions`, for a `vectorstore` that is a VectorStore. The dataset's ids
            are those of units then, and its documents are not embedded.
        adapter_model: A LinearAdapter or KernelAdapter to refine instead of starting from the base.
        dim: Length of the model's vectors, checked on the first question.
        bias: As in `AdapterTrainer`.
        device: As in `AdapterTrainer`.
        verbose: Whether to show progress bars.
        **options: As in `EngineOptions`.

    Raises:
        QueryAdaptersError: As `AdapterFinetuneEngine`.
        UnreadableStoreError: If vectors cannot be read back from the vector store.
        TypeError: If an argument is unknown, or not of an expected type.
    """

    def __init__(
        self,
        dataset: QADataset | RetrievalDataset,
        embeddings: BaseLike | None = None,
        *,
        model_output_path: str | Path = "model_output",
        vectorstore: Store | None = None,
        units: UnitsOption = "chunk",
        adapter_model: RefinableAdapter | None = None,
        dim: int | None = None,
        bias: bool = True,
        device: str = "cpu",
        verbose: bool = False,
        **options: Unpack[EngineOptions],
    ) -> None:
        embedder = embedder_of(embeddings, vectorstore)
        if options.get("hybrid") and isinstance(vectorstore, VectorStore):
            options.setdefault("texts", live_index(vectorstore).stored_texts)
        super().__init__(
            dataset,
            embedder,
            model_output_path=model_output_path,
            adapter_model=adapter_model,
            index=None if vectorstore is None else opened(vectorstore, units),
            dim=dim,
            bias=bias,
            device=device,
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
            documents: The documents, including those that answer no question.
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
        **options: Unpack[IndexOptions],
    ) -> Self:
        """Return an engine that trains on an existing vector store, which is only read.

        At most three documents are embedded, for `check_model`. Relevant documents are read by
        id. Of the other documents, all or a random sample are read: they shape the prior and are
        searched to choose settings and to validate.

        Args:
            dataset: Training questions with the ids of their relevant documents: a dataset, whose
                corpus is not needed; or pairs, or a mapping, of question and ids.
            vectorstore: The vector store.
            embeddings: The model that the store was filled with; by default the store's own,
                without its adapter if it has one.
            **options: As in `IndexOptions`.

        Raises:
            QueryAdaptersError: As `query_adapters.finetuning.from_index.read_existing_index`.
        """
        embedder = embedder_of(embeddings, vectorstore)
        live = live_index(vectorstore, options.pop("units", "chunk"))
        existing = read_existing_index(live, dataset, embedder, **options)
        return cls(
            existing.dataset, embedder.embeddings, vectorstore=existing.stored, **existing.options
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

        Training is regularized toward that adapter instead of the base.

        Args:
            dataset: As in the constructor.
            embeddings: As in the constructor; the model that the adapter was trained on.
            model_path: The adapter's folder.
            vectorstore: As in the constructor.
            **options: As in the constructor.

        Raises:
            QueryAdaptersError: As `query_adapters.finetuning.engine.read_start`.
        """
        embedder = embedder_of(embeddings, vectorstore)
        start = read_start(model_path, model_name=embedder.model_name)
        return cls(
            dataset, embedder.embeddings, vectorstore=vectorstore, adapter_model=start, **options
        )

    def get_finetuned_model(self, **model_kwargs: Any) -> LinearAdapterEmbeddings:
        """Return the base with the trained adapter on its queries.

        Args:
            **model_kwargs: As in `LinearAdapterEmbeddings`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        return LinearAdapterEmbeddings(self._embeddings, self._saved_folder, **model_kwargs)

    def get_finetuned_retriever(
        self, vectorstore: VectorStore, **options: Unpack[FusionOptions]
    ) -> FusionRetriever:
        """Return the learned retriever on the vector store, for an engine with `hybrid=True`.

        Args:
            vectorstore: The store to retrieve from, filled with the base model.
            **options: As in `FusionRetriever`.

        Raises:
            AdapterFileError: If no scoring head was learned.
            NotFinetunedError: If `finetune()` has not run.
        """
        return FusionRetriever.load(self._saved_folder, vectorstore, self._embeddings, **options)
