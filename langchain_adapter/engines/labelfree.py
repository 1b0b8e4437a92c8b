"""The engine that needs no labels: it whitens questions by the spectrum of a vector store."""

from pathlib import Path
from typing import Any, Unpack

from langchain_adapter.embedder import BaseLike
from langchain_adapter.embeddings import LinearAdapterEmbeddings
from langchain_adapter.engines.base import embedder_of
from langchain_adapter.stores import Store, stored_similarity, stored_vectors
from query_adapters.finetuning.engine import LabelFreeEngine
from query_adapters.finetuning.options import LabelFreeOptions


class LabelFreeFinetuneEngine(LabelFreeEngine):
    """Scales questions down along the directions in which documents of the store vary most.

    No question is needed, and so nothing tells whether it helps: on the sets that this package
    is measured on, most gained a little and one lost a little. `result.verdict` says
    "not checked" until `check_dataset` is given. Whoever has a few hundred labelled questions
    should train an EmbeddingAdapterFinetuneEngine instead: this map is the first of its
    candidates, under the same guard.

    Args:
        vectorstore: The vector store that will be served, or blocks of (ids, vectors) in its
            place; its vectors are read, nothing of it is embedded.
        embeddings: The model that the store was filled with: a LangChain embedding model, or a
            LlamaIndex one; by default the store's own, without the adapter that it may have
            already. One question is embedded, to tell the model again.
        model_output_path: Folder of the adapter.
        exponent: How strongly to whiten, from 0 (the base) to 0.5 (fully); 0.15 if left out.
        check_dataset: Labelled questions about documents of the store: they fit nothing, but
            decide whether the whitening is kept.
        metric: What the guard compares by; "ndcg@10" if left out.
        guard: "strict", as if left out, keeps the whitening only where its gain on
            `check_dataset` is more than chance explains, "expected" where it is likely, "off"
            always. Without a `check_dataset` it is always kept.
        similarity: What the store ranks by, "cosine", "dot" or "euclidean"; by default what
            `vectorstore` tells, or "cosine".
        cache_path: SQLite file of finished embeddings, instead of one in `model_output_path`.
        verbose: Whether to show a progress bar.
        **options: The settings above, from `exponent` on.

    Raises:
        InvalidDatasetError: If documents that answer check questions are not in the store.
        InvalidVectorsError: If the store is empty.
        MissingExtraError: If the extra `train` is not installed.
        TypeError: If the store is none whose vectors can be read, or an argument is unknown.
        ValueError: If a setting is out of range.
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
            stored_vectors(vectorstore),
            embedder,
            model_output_path=model_output_path,
            index_similarity=stored_similarity(vectorstore),
            **options,
        )
        self._embeddings = embedder.embeddings

    def get_finetuned_model(self, **model_kwargs: Any) -> LinearAdapterEmbeddings:
        """Return the base with the whitening on its queries.

        Args:
            **model_kwargs: As in `LinearAdapterEmbeddings`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        _ = self.result
        return LinearAdapterEmbeddings(self._embeddings, self._finetuner.output, **model_kwargs)
