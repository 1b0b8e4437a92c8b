"""Local embedding models without torch: static ones, and those of FastEmbed on ONNX."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from query_adapters._extras import require_extra
from query_adapters.arrays import as_matrix
from query_adapters.embedders.batching import check_at_least_one
from query_adapters.embedders.identity import identity_from
from query_adapters.errors import UnknownModelError
from query_adapters.typing import Vectors

DIMENSIONS = 256  # of the model that comes with wordllama


class LocalEmbedder(ABC):
    """What the local models share: one vector for a text in both roles, unless stated otherwise.

    Args:
        model: The model's name.
        batch_size: Texts embedded at once.

    Raises:
        ValueError: If the batch size is below 1.
    """

    separates_roles = False

    def __init__(self, model: str, *, batch_size: int) -> None:
        check_at_least_one(batch_size=batch_size)
        self.model_name = model
        self.batch_size = batch_size

    @property
    @abstractmethod
    def identity(self) -> str:
        """Identifier of the vectors."""

    @abstractmethod
    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of queries, `(len(texts), dim)`."""
        return self.embed_documents(texts)


class Model2VecEmbedder(LocalEmbedder):
    """A static model of model2vec, from a folder or the Hugging Face Hub (extra: static).

    Args:
        model: A folder, or a model's id on the Hub, such as "minishlab/potion-base-8M".
        batch_size: Texts embedded at once.

    Raises:
        MissingExtraError: If the extra `static` is not installed.
        UnknownModelError: If there is no such model.
        ValueError: If the batch size is below 1.
    """

    def __init__(self, model: str, *, batch_size: int = 1024) -> None:
        require_extra("static")
        super().__init__(model, batch_size=batch_size)
        from model2vec import StaticModel

        try:
            self._model: Any = StaticModel.from_pretrained(model)
        except OSError as exc:
            raise UnknownModelError(
                f"expected the folder of a model2vec model, or its id on the Hugging Face Hub, got "
                f"{model!r}; check it, and whether the Hub can be reached"
            ) from exc

    @cached_property
    def identity(self) -> str:
        """Identifier of the vectors: the model's weights."""
        weights = np.ascontiguousarray(self._model.embedding)
        settings = {
            "weights": hashlib.sha256(weights.data).hexdigest(),
            "normalize": self._model.normalize,
        }
        return identity_from("model2vec", Path(self.model_name).name, settings)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite.
        """
        found = self._model.encode(list(texts), batch_size=self.batch_size) if texts else []
        return as_matrix(found, len(texts))


class WordLlamaEmbedder(LocalEmbedder):
    """The static model that comes with the package wordllama (extra: static).

    Args:
        model: Its name in wordllama; "l2_supercat" is part of the package.
        dimensions: Length of the vectors: 256, or 128 or 64, for which the model was trained.
        batch_size: Texts embedded at once.

    Raises:
        MissingExtraError: If the extra `static` is not installed.
        UnknownModelError: If the package does not hold the model.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self, model: str = "l2_supercat", *, dimensions: int | None = None, batch_size: int = 256
    ) -> None:
        require_extra("static")
        check_at_least_one(dimensions=dimensions)
        super().__init__(model, batch_size=batch_size)
        self.dimensions = dimensions or DIMENSIONS
        import wordllama

        folder = Path(wordllama.__file__).parent
        try:
            self._model: Any = wordllama.WordLlama.load(
                model,
                cache_dir=folder,
                disable_download=True,
                trunc_dim=None if self.dimensions == DIMENSIONS else self.dimensions,
            )
        except (AttributeError, FileNotFoundError) as exc:
            raise UnknownModelError(
                f"expected a model that comes with wordllama, such as 'l2_supercat', got {model!r}"
            ) from exc

    @property
    def identity(self) -> str:
        """Identifier of the vectors: the model, their length and the package's version."""
        settings = {"dimensions": self.dimensions, "version": version("wordllama")}
        return identity_from("wordllama", self.model_name, settings)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`, at length 1.

        Raises:
            InvalidVectorsError: If they are not finite.
        """
        found = self._model.embed(list(texts), norm=True) if texts else []
        return as_matrix(found, len(texts))


class FastEmbedEmbedder(LocalEmbedder):
    """A model of FastEmbed, which runs ONNX files (extra: fastembed).

    FastEmbed itself puts no prefix before queries or documents.

    Args:
        model: Its name in FastEmbed, such as "BAAI/bge-small-en-v1.5".
        folder: A folder with the model's files, instead of a download.
        batch_size: Texts embedded at once.

    Raises:
        MissingExtraError: If the extra `fastembed` is not installed.
        UnknownModelError: If FastEmbed does not know the model.
        ValueError: If the batch size is below 1.
    """

    def __init__(
        self, model: str, *, folder: str | Path | None = None, batch_size: int = 256
    ) -> None:
        require_extra("fastembed")
        super().__init__(model, batch_size=batch_size)
        from fastembed import TextEmbedding

        path = None if folder is None else str(folder)
        try:
            self._model: Any = TextEmbedding(model, specific_model_path=path)
        except ValueError as exc:
            raise UnknownModelError(
                f"expected a model of FastEmbed (`TextEmbedding.list_supported_models()`), got "
                f"{model!r} ({exc})"
            ) from exc

    @property
    def identity(self) -> str:
        """Identifier of the vectors: the model."""
        return identity_from("fastembed", self.model_name, {})

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite.
        """
        found = self._model.passage_embed(list(texts), batch_size=self.batch_size)
        return as_matrix(list(found), len(texts))

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of queries; otherwise as `embed_documents`."""
        found = self._model.query_embed(list(texts), batch_size=self.batch_size)
        return as_matrix(list(found), len(texts))
