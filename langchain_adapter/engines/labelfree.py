"""The engine that needs no labels: it whitens queries by the spectrum of a vector store."""

from pathlib import Path
from typing import Any, Unpack

from langchain_adapter.embedder import BaseLike
from langchain_adapter.embeddings import LinearAdapterEmbeddings
from langchain_adapter.engines.base import embedder_of
from langchain_adapter.stores import Store
from langchain_adapter.stores.reading import open_store
from query_adapters.finetuning.engine import LabelFreeEngine
from query_adapters.finetuning.options import LabelFreeOptions


class LabelFreeFinetuneEngine(LabelFreeEngine):
    """Scales queries down along the directions in which the store's documents vary most.

    Needs no labels, so nothing shows whether it helps until a `check_dataset` is given:
    `result.verdict` states "not checked". With a few hundred labelled questions, train an
    EmbeddingAdapterFinetuneEngine instead: this whitening is the first of its candidates.

    Args:
        vectorstore: The vector store that will be served, or blocks of (ids, vectors). Its
            vectors are read; none of its documents is embedded.
        embeddings: The model that the store was filled with: a LangChain embedding model, or a
            LlamaIndex one; by default the store's own, without its adapter if it has one. One
            question is embedded, to recognise the model later.
        model_output_path: Folder of the adapter.
        **options: As in `LabelFreeOptions`.

    Raises:
        QueryAdaptersError: As `LabelFreeEngine`.
        UnreadableStoreError: If vectors cannot be read back from the vector store.
        TypeError: If an argument is unknown, or not of an expected type.
    """

    def __init__(
        self,
        vectorstore: Store,
        embeddings: BaseLike | None = None,
        model_output_path: str | Path = "model_output",
        **options: Unpack[LabelFreeOptions],
    ) -> None:
        embedder = embedder_of(embeddings, vectorstore)
        super().__init__(
            open_store(vectorstore), embedder, model_output_path=model_output_path, **options
        )
        self._embeddings = embedder.embeddings

    def get_finetuned_model(self, **model_kwargs: Any) -> LinearAdapterEmbeddings:
        """Return the base with the whitening on its queries.

        Args:
            **model_kwargs: As in `LinearAdapterEmbeddings`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        return LinearAdapterEmbeddings(self._embeddings, self._saved_folder, **model_kwargs)
