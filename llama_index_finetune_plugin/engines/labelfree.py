"""The engine that needs no labels: it whitens questions by the spectrum of an index."""

from pathlib import Path
from typing import Any, Unpack

from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.embedding import LinearAdapterEmbedding
from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.stores import Store, stored_similarity, stored_vectors
from query_adapters.finetuning.engine import LabelFreeEngine
from query_adapters.finetuning.options import LabelFreeOptions


class LabelFreeFinetuneEngine(LabelFreeEngine, BaseEmbeddingFinetuneEngine):
    """Scales questions down along the directions in which documents of the index vary most.

    No question is needed, and so nothing tells whether it helps: on the sets that this package
    is measured on, most gained a little and one lost a little. `result.verdict` says
    "not checked" until `check_dataset` is given. Whoever has a few hundred labelled questions
    should train an EmbeddingAdapterFinetuneEngine instead: this map is the first of its
    candidates, under the same guard.

    Args:
        index: The VectorStoreIndex that will be served, its store, or blocks of (ids, vectors);
            its vectors are read, nothing of it is embedded.
        embed_model: The model that the index was built with: a LlamaIndex embedding model, a
            string that LlamaIndex resolves, or a LangChain `Embeddings`. One question is embedded,
            to tell the model again.
        model_output_path: Folder of the adapter.
        exponent: How strongly to whiten, from 0 (the base) to 0.5 (fully); 0.15 if left out.
        check_dataset: Labelled questions about documents of the index: they fit nothing, but
            decide whether the whitening is kept.
        metric: What the guard compares by; "ndcg@10" if left out.
        guard: "strict", as if left out, keeps the whitening only where its gain on
            `check_dataset` is more than chance explains, "expected" where it is likely, "off"
            always. Without a `check_dataset` it is always kept.
        similarity: What the index ranks by, "cosine", "dot" or "euclidean"; by default what
            `index` tells, or "cosine".
        cache_path: SQLite file of finished embeddings, instead of one in `model_output_path`.
        verbose: Whether to show a progress bar.
        **options: The settings above, from `exponent` on.

    Raises:
        InvalidDatasetError: If documents that answer check questions are not in the index.
        InvalidVectorsError: If the index is empty.
        MissingExtraError: If the extra `train` is not installed.
        TypeError: If the index is none whose vectors can be read, or an argument is unknown.
        ValueError: If a setting is out of range.
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
            stored_vectors(index),
            embedder,
            model_output_path=model_output_path,
            index_similarity=stored_similarity(index),
            **options,
        )
        self._embed_model = embedder.embed_model

    def get_finetuned_model(self, **model_kwargs: Any) -> LinearAdapterEmbedding:
        """Return the base with the whitening on its queries.

        Args:
            **model_kwargs: As in `LinearAdapterEmbedding`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        _ = self.result
        return LinearAdapterEmbedding(
            self._embed_model, adapter_path=self._finetuner.output, **model_kwargs
        )
