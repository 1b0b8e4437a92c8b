"""The engine that needs no labels: it whitens questions by the spectrum of an index."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding

from llama_index_finetune_plugin.dataset import QADataset, to_retrieval_dataset
from llama_index_finetune_plugin.embedder import LlamaIndexEmbedder
from llama_index_finetune_plugin.embedding import LinearAdapterEmbedding
from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.stores import stored_vectors
from query_adapters._extras import require_extra
from query_adapters.dataset import RetrievalDataset
from query_adapters.errors import NotFinetunedError
from query_adapters.stores import gather

if TYPE_CHECKING:
    from query_adapters.labelfree import LabelFreeResult


class LabelFreeFinetuneEngine(BaseEmbeddingFinetuneEngine):
    """Turns down, in questions, the directions in which all documents of the index differ.

    No question is needed, and so nothing tells whether it helps: on the sets that this package
    is measured on, most gained a little and one lost a little. `result.whitening.verdict` says
    "not checked" until `check_dataset` is given. Whoever has a few hundred labelled questions
    should train an EmbeddingAdapterFinetuneEngine instead: this map is the first of its
    candidates, under the same guard.

    Args:
        index: The VectorStoreIndex that will be served; its vectors are read, nothing of it is
            embedded.
        embed_model: The model that the index was built with: a LlamaIndex embedding model, or a
            string that LlamaIndex resolves. One question is embedded, to tell the model again.
        model_output_path: Folder of the adapter.
        exponent: How strongly to whiten, from 0 (the base) to 0.5 (fully).
        check_dataset: Labelled questions about documents of the index: they fit nothing, but
            decide whether the whitening is kept.
        metric: What the guard compares by.
        guard: "strict" keeps the whitening only where its gain on `check_dataset` is more than
            chance explains, "expected" where it is likely, "off" always. Without a
            `check_dataset` it is always kept.
        cache_path: SQLite file of finished embeddings, instead of one in `model_output_path`.
        verbose: Whether to show a progress bar.

    Raises:
        InvalidDatasetError: If documents that answer check questions are not in the index.
        InvalidVectorsError: If the index is empty.
        MissingExtraError: If the extra `train` is not installed.
        TypeError: If the index is none whose vectors can be read.
    """

    def __init__(
        self,
        index: VectorStoreIndex,
        embed_model: BaseEmbedding | str,
        model_output_path: str | Path = "model_output",
        *,
        exponent: float = 0.15,
        check_dataset: QADataset | RetrievalDataset | None = None,
        metric: str = "ndcg@10",
        guard: Literal["strict", "expected", "off"] = "strict",
        cache_path: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        require_extra("train")
        from query_adapters.labelfree import LabelFreeFinetuner  # needs scipy; serving must not

        embedder = LlamaIndexEmbedder(embed_model)
        self._embed_model = embedder.embed_model
        self._finetuner = LabelFreeFinetuner(
            index=gather(stored_vectors(index)),
            embedder=embedder,
            output=Path(model_output_path),
            exponent=exponent,
            check=None if check_dataset is None else to_retrieval_dataset(check_dataset),
            metric=metric,
            guard=guard,
            cache_path=None if cache_path is None else Path(cache_path),
            show_progress=verbose,
        )
        self._result: LabelFreeResult | None = None

    def finetune(self) -> None:
        """Whiten, check where there are questions, and save to `model_output_path`.

        Raises:
            InvalidVectorsError: If vectors of the index or the model are not finite.
            DimensionMismatchError: If index and model do not agree.
        """
        self._result = self._finetuner.run()

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

    @property
    def result(self) -> "LabelFreeResult":
        """The saved adapter, and what is known about it.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        if self._result is None:
            raise NotFinetunedError(
                "expected a fine-tuned engine, got none; call finetune() first, or load an adapter "
                "with LinearAdapterEmbedding(base_embed_model, folder)"
            )
        return self._result
