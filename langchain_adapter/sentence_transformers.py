"""Fine-tuning the open model itself, for LangChain (extra: sentence-transformers)."""

from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from langchain_adapter.stores import stored_vectors
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.embedders import SentenceTransformerEmbedder
from query_adapters.model_tuning import TowerFinetuneEngine, TowerOptions
from query_adapters.model_tuning.models import load_model


class SentenceTransformersEmbeddings(Embeddings):
    """A sentence-transformers model that embeds each role by its own prompt and route.

    Args:
        model_name: A hub name or a folder.
        batch_size: Texts at once.
        device: Where to run.
        trust_remote_code: Whether code that comes with the model may run.
    """

    def __init__(
        self,
        model_name: str | Path,
        *,
        batch_size: int = 32,
        device: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        model = load_model(str(model_name), device=device, trust_remote_code=trust_remote_code)
        self.model_name = str(model_name)
        self._embedder = SentenceTransformerEmbedder.from_model(
            model, model_name=self.model_name, batch_size=batch_size
        )

    @cached_property
    def identity(self) -> str:
        """What tells these vectors from any others: a folder may hold another model tomorrow."""
        return self._embedder.identity

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents."""
        vectors: list[list[float]] = self._embedder.embed_documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        vector: list[float] = self._embedder.embed_queries([text])[0].tolist()
        return vector


class SentenceTransformersFinetuneEngine(TowerFinetuneEngine):
    """Fine-tunes a sentence-transformers model, whole or its query tower alone.

    With train="both" documents must be embedded again with the tuned model. With train="query"
    the vector store stays as it is. Base and tuned model are compared on held-out questions,
    and where no gain can be shown the base is saved, and `result.verdict` says so.

    Args:
        dataset: Training questions: a RetrievalDataset, or any object with `queries`, `corpus`
            and `relevant_docs`; `dataset_from_documents` makes one of LangChain documents.
        model_id: The base: a hub name or a folder.
        model_output_path: Folder of the model, new or of an earlier run; nothing is
            written elsewhere.
        vectorstore: For train="query", the vector store to be served: vectors of the dataset's
            documents are read from it instead of embedded.
        val_dataset: Held-out questions; by default a fifth of the training ones.
        device: Where to run.
        trust_remote_code: Whether code that comes with the model may run.
        max_seq_length: Tokens of a text that the model reads; by default its own limit.
        show_progress_bar: Whether to show progress bars.
        **settings: As in `query_adapters.model_tuning.TowerSettings`.

    Raises:
        InvalidDatasetError: If a dataset's parts do not fit together.
        LeakageError: If a validation question is a training question.
        TypeError: If an argument is unknown.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        dataset: QADataset | RetrievalDataset,
        model_id: str,
        *,
        model_output_path: str | Path = "exp_finetune",
        vectorstore: VectorStore | None = None,
        val_dataset: QADataset | RetrievalDataset | None = None,
        device: str | None = None,
        trust_remote_code: bool = False,
        max_seq_length: int | None = None,
        show_progress_bar: bool = True,
        **settings: Unpack[TowerOptions],
    ) -> None:
        super().__init__(
            dataset,
            model_id,
            model_output_path=model_output_path,
            val_dataset=val_dataset,
            index=None if vectorstore is None else stored_vectors(vectorstore),
            device=device,
            trust_remote_code=trust_remote_code,
            max_seq_length=max_seq_length,
            show_progress_bar=show_progress_bar,
            **settings,
        )
        self._serving = {"device": device, "trust_remote_code": trust_remote_code}

    def get_finetuned_model(self, **model_kwargs: Any) -> SentenceTransformersEmbeddings:
        """Return the saved model, which is the base where no gain could be shown.

        Args:
            **model_kwargs: As in `SentenceTransformersEmbeddings`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        options: dict[str, Any] = {**self._serving, **model_kwargs}
        return SentenceTransformersEmbeddings(self.result.folder, **options)
