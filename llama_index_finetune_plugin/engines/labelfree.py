"""The engine that needs no labels: it whitens queries by the spectrum of an index."""

from pathlib import Path
from typing import Any, Unpack

from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.embedding import LinearAdapterEmbedding
from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.stores import Store
from llama_index_finetune_plugin.stores.reading import open_store
from query_adapters.finetuning.engine import LabelFreeEngine
from query_adapters.finetuning.options import LabelFreeOptions


class LabelFreeFinetuneEngine(LabelFreeEngine, BaseEmbeddingFinetuneEngine):
    """Scales queries down along the directions in which the index's documents vary most.

    Needs no labels, so nothing shows whether it helps until a `check_dataset` is given:
    `result.verdict` states "not checked". With a few hundred labelled questions, train an
    EmbeddingAdapterFinetuneEngine instead: this whitening is the first of its candidates.

    Args:
        index: The VectorStoreIndex that will be served, its store, or blocks of (ids, vectors).
            Its vectors are read; none of its nodes is embedded.
        embed_model: The model that the index was built with: a LlamaIndex embedding model, a
            string that LlamaIndex resolves, or a LangChain `Embeddings`. One question is embedded,
            to recognise the model later.
        model_output_path: Folder of the adapter.
        **options: As in `LabelFreeOptions`.

    Raises:
        QueryAdaptersError: As `LabelFreeEngine`.
        UnreadableStoreError: If vectors cannot be read back from the index.
        TypeError: If an argument is unknown, or not of an expected type.
    """

    def __init__(
        self,
        index: Store,
        embed_model: BaseLike,
        model_output_path: str | Path = "model_output",
        **options: Unpack[LabelFreeOptions],
    ) -> None:
        embedder = LlamaIndexEmbedder(embed_model)
        super().__init__(
            open_store(index), embedder, model_output_path=model_output_path, **options
        )
        self._embed_model = embedder.embed_model

    def get_finetuned_model(self, **model_kwargs: Any) -> LinearAdapterEmbedding:
        """Return the base with the whitening on its queries.

        Args:
            **model_kwargs: As in `LinearAdapterEmbedding`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        return LinearAdapterEmbedding(
            self._embed_model, adapter_path=self._saved_folder, **model_kwargs
        )
