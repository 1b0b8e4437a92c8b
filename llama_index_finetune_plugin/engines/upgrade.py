"""The engine that serves an index with another embedding model than the one that built it."""

from pathlib import Path
from typing import Any, Unpack

from llama_index.core import VectorStoreIndex

from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.embedding import LinearAdapterEmbedding
from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.stores.live import live_index
from llama_index_finetune_plugin.two_models import TwoModelEmbedding
from query_adapters.embedders.two_models import Served
from query_adapters.finetuning.options import AnyQuestions
from query_adapters.upgrade.engine import UpgradeEngine, UpgradeOptions


class ModelUpgradeEngine(UpgradeEngine, BaseEmbeddingFinetuneEngine):
    """Serves an existing index with a new embedding model; its nodes are not embedded again.

    Args:
        index: The VectorStoreIndex; it is only read.
        new_model: The new model: a LlamaIndex embedding model, a string that LlamaIndex resolves,
            or a LangChain `Embeddings`.
        model_output_path: Folder of the adapter.
        old_model: The model that built the index, for comparison; None if it cannot be called any
            more.
        dataset: Labelled questions with the ids of their relevant nodes: a dataset, or pairs, or a
            mapping, of question and ids; None without any.
        **options: As in `UpgradeOptions`.

    Raises:
        QueryAdaptersError: As `query_adapters.upgrade.engine.UpgradeEngine`.
        UnreadableStoreError: If vectors cannot be read back from the index.
        TypeError: If an argument is unknown, or not of an expected type.
    """

    def __init__(
        self,
        index: VectorStoreIndex,
        new_model: BaseLike,
        model_output_path: str | Path = "model_output",
        *,
        old_model: BaseLike | None = None,
        dataset: AnyQuestions | None = None,
        **options: Unpack[UpgradeOptions],
    ) -> None:
        new = LlamaIndexEmbedder(new_model)
        old = None if old_model is None else LlamaIndexEmbedder(old_model)
        super().__init__(
            live_index(index),
            new,
            model_output_path=model_output_path,
            old=old,
            dataset=dataset,
            **options,
        )
        self._new_model = new.embed_model
        self._old_model = None if old is None else old.embed_model

    def get_finetuned_model(
        self, models: Served = "new", **model_kwargs: Any
    ) -> LinearAdapterEmbedding:
        """Return the models with their saved adapter on queries, whatever the decision.

        Documents are embedded by the old model; without one they are refused.

        Args:
            models: The models that embed questions: "new", "old", or "both" side by side.
            **model_kwargs: As in `LinearAdapterEmbedding`.

        Raises:
            NotFinetunedError: If `finetune()` has not run, or had no old model or labels for it.
        """
        folder, old = self._folder_of(models), self._old_model
        base, options = self._new_model, {"document_model": old} | model_kwargs
        if old is not None and models != "new":
            base = old if models == "old" else TwoModelEmbedding(old, base)
        return LinearAdapterEmbedding(base, adapter_path=folder, **options)
