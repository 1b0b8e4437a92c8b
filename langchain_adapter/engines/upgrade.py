"""The engine that serves a vector store with another model than the one that filled it."""

from pathlib import Path
from typing import Any, Unpack

from langchain_core.vectorstores import VectorStore

from langchain_adapter.embedder import BaseLike, LangChainEmbedder
from langchain_adapter.embeddings import LinearAdapterEmbeddings
from langchain_adapter.stores.live import live_index
from langchain_adapter.two_models import TwoModelEmbeddings
from query_adapters.embedders.two_models import Served
from query_adapters.finetuning.options import AnyQuestions
from query_adapters.upgrade.engine import UpgradeEngine, UpgradeOptions


class ModelUpgradeEngine(UpgradeEngine):
    """Serves an existing vector store with a new embedding model; no document is added or changed.

    Args:
        vectorstore: The vector store; it is only read.
        new_embeddings: The new model: a LangChain embedding model, or a LlamaIndex one.
        model_output_path: Folder of the adapter.
        old_embeddings: The model that filled the store, for comparison; None if it cannot be called
            any more.
        dataset: Labelled questions with the ids of their relevant documents: a dataset, or pairs,
            or a mapping, of question and ids; None without any.
        **options: As in `UpgradeOptions`.

    Raises:
        QueryAdaptersError: As `query_adapters.upgrade.engine.UpgradeEngine`.
        UnreadableStoreError: If vectors cannot be read back from the vector store.
        TypeError: If an argument is unknown, or not of an expected type.
    """

    def __init__(
        self,
        vectorstore: VectorStore,
        new_embeddings: BaseLike,
        model_output_path: str | Path = "model_output",
        *,
        old_embeddings: BaseLike | None = None,
        dataset: AnyQuestions | None = None,
        **options: Unpack[UpgradeOptions],
    ) -> None:
        embedder = LangChainEmbedder(new_embeddings)
        old = None if old_embeddings is None else LangChainEmbedder(old_embeddings)
        store = live_index(vectorstore)
        super().__init__(
            store,
            embedder,
            model_output_path=model_output_path,
            old=old,
            dataset=dataset,
            **options,
        )
        self._embeddings = embedder.embeddings
        self._old_embeddings = None if old is None else old.embeddings

    def get_finetuned_model(
        self, models: Served = "new", **model_kwargs: Any
    ) -> LinearAdapterEmbeddings:
        """Return the models with their saved adapter on queries, whatever the decision.

        Documents are embedded by the old model; without one they are refused.

        Args:
            models: The models that embed questions: "new", "old", or "both" side by side.
            **model_kwargs: As in `LinearAdapterEmbeddings`.

        Raises:
            NotFinetunedError: If `finetune()` has not run, or had no old model or labels for it.
        """
        folder, old = self._folder_of(models), self._old_embeddings
        base, options = self._embeddings, {"document_model": old} | model_kwargs
        if old is not None and models != "new":
            base = old if models == "old" else TwoModelEmbeddings(old, base)
        return LinearAdapterEmbeddings(base, folder, **options)
