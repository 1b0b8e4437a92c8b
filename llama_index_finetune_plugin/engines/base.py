"""What every engine that fine-tunes an embedding model offers, by the names users know."""

from abc import ABC, abstractmethod
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding


class BaseEmbeddingFinetuneEngine(ABC):
    """Trains once, then hands out an embedding model."""

    @abstractmethod
    def finetune(self) -> None:
        """Train and save."""

    @abstractmethod
    def get_finetuned_model(self, **model_kwargs: Any) -> BaseEmbedding:
        """Return the trained embedding model.

        Raises:
            NotFinetunedError: If `finetune()` has not run.
        """
