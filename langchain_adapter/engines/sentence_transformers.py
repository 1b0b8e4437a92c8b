"""The engine that fine-tunes the open model itself (extra: sentence-transformers)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from langchain_adapter.stores import stored_vectors
from query_adapters._extras import require_extra
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.finetuning.base import WrappedEngine

if TYPE_CHECKING:
    from query_adapters.model_tuning import TowerOptions, TowerResult  # noqa: F401 (in a string)


class SentenceTransformersFinetuneEngine(WrappedEngine["TowerResult"]):
    """Fine-tunes a sentence-transformers model, whole or its query tower alone.

    With train="both", documents must be embedded again with the tuned model. With train="query",
    the vector store stays as it is. The base and the tuned model are compared on held-out
    questions; where no gain can be shown, the base is saved, and `result.verdict` states it.

    Args:
        dataset: Training questions: a RetrievalDataset, or any object with `queries`, `corpus`
            and `relevant_docs`; `dataset_from_documents` makes one of LangChain documents.
        model_id: The base: a hub name or a folder.
        model_output_path: Folder of the model, new or of an earlier run; nothing is written
            outside it.
        vectorstore: For train="query", the vector store that will be served: vectors of the
            dataset's documents are read from it instead of embedded.
        val_dataset: Held-out questions; by default a fifth of the training ones.
        device: Device to train on.
        trust_remote_code: Whether code that comes with the model may run.
        max_seq_length: The most tokens of a text that the model reads; by default its own limit.
        show_progress_bar: Whether to show progress bars.
        **settings: As in `query_adapters.model_tuning.TowerSettings`.

    Raises:
        QueryAdaptersError: As `query_adapters.model_tuning.TowerFinetuneEngine`.
        MissingExtraError: If the extra `sentence-transformers` is not installed.
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
        **settings: "Unpack[TowerOptions]",
    ) -> None:
        require_extra("sentence-transformers")
        from query_adapters.model_tuning import TowerFinetuneEngine  # needs torch; serving must not

        self._engine = TowerFinetuneEngine(
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

    def get_finetuned_model(self, **model_kwargs: Any) -> Embeddings:
        """Return the saved model, which is the base where no gain could be shown.

        Args:
            **model_kwargs: As in `SentenceTransformersEmbeddings`.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
        folder = self.result.folder
        from langchain_adapter.sentence_transformers import SentenceTransformersEmbeddings

        options: dict[str, Any] = {**self._serving, **model_kwargs}
        return SentenceTransformersEmbeddings(folder, **options)
