"""Local embedding models of sentence-transformers (extra: sentence-transformers)."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from query_adapters._extras import require_extra
from query_adapters.arrays import check_finite
from query_adapters.embedders.batching import check_at_least_one
from query_adapters.embedders.identity import identity_from
from query_adapters.errors import UnknownModelError
from query_adapters.typing import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class SentenceTransformerEmbedder:
    """A sentence-transformers model, from a folder or from the Hugging Face Hub.

    Queries and documents get the model's own prompts, if it has any.

    Args:
        path_or_id: A folder, or a model's id on the Hub.
        dimensions: Length to truncate the vectors to, for models that were trained for it.
        batch_size: Texts embedded at once.
        device: Device such as "cuda"; by default the best available.

    Raises:
        MissingExtraError: If the extra `sentence-transformers` is not installed.
        UnknownModelError: If there is no such model.
        ValueError: If a setting is out of range, or `dimensions` exceeds the model's.
    """

    def __init__(
        self,
        path_or_id: str | Path,
        *,
        dimensions: int | None = None,
        batch_size: int = 32,
        device: str | None = None,
    ) -> None:
        require_extra("sentence-transformers")
        check_at_least_one(dimensions=dimensions, batch_size=batch_size)
        model = _loaded(str(path_or_id), dimensions, device)
        self._set(model, model_name=str(path_or_id), batch_size=batch_size)

    @classmethod
    def from_model(
        cls, model: "SentenceTransformer", *, model_name: str, batch_size: int = 32
    ) -> Self:
        """Return the embedder of a loaded model.

        Args:
            model: The model.
            model_name: Its id on the Hub, or its folder.
            batch_size: Texts embedded at once.
        """
        embedder = cls.__new__(cls)
        embedder._set(model, model_name=model_name, batch_size=batch_size)
        return embedder

    def _set(self, model: "SentenceTransformer", *, model_name: str, batch_size: int) -> None:
        self.model_name = model_name
        self.batch_size = batch_size
        self._model = model

    @property
    def identity(self) -> str:
        """Identifier of the vectors: layers, prompts, lengths and current weights."""
        settings = settings_of(self._model)
        return identity_from("sentence-transformers", Path(self.model_name).name, settings)

    @property
    def separates_roles(self) -> bool:
        """Whether the model has prompts or routes of its own for queries or documents."""
        prompts = getattr(self._model, "prompts", None) or {}
        return any(prompts.values()) or any(hasattr(layer, "sub_modules") for layer in self._model)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of queries, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite.
        """
        return self._embed(getattr(self._model, "encode_query", self._model.encode), texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite.
        """
        return self._embed(getattr(self._model, "encode_document", self._model.encode), texts)

    def _embed(self, encode: Callable[..., Any], texts: Sequence[str]) -> Vectors:
        encoded = encode(list(texts), batch_size=self.batch_size, show_progress_bar=False)
        vectors = np.asarray(encoded, np.float32).reshape(len(texts), -1 if texts else 0)
        check_finite(vectors, "vectors of the embedding model")
        return vectors


def _loaded(path_or_id: str, dimensions: int | None, device: str | None) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(path_or_id, truncate_dim=dimensions, device=device)
    except OSError as exc:  # errors of the Hub and of transformers for a missing model
        raise UnknownModelError(
            f"expected the folder of a sentence-transformers model, or a model's id on the Hugging "
            f"Face Hub, got {path_or_id!r}; check it, and whether the Hub can be reached"
        ) from exc
    if dimensions is not None and dimensions > (_dim_of(model) or dimensions):
        raise ValueError(
            f"dimensions: expected at most {_dim_of(model)}, which {path_or_id!r} has, got "
            f"{dimensions}; leave them out for all"
        )
    return model


def _dim_of(model: "SentenceTransformer") -> int | None:
    """Return the length of the truncated vectors; None if the model does not state it."""
    get_dim = getattr(model, "get_embedding_dimension", None)  # not in every version
    dim: int | None = (get_dim or model.get_sentence_embedding_dimension)()
    return dim


def settings_of(model: "SentenceTransformer") -> dict[str, Any]:
    """Return the settings and weights that determine the vectors."""
    import torch

    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(weight.shape)}{weight.dtype}".encode())
        digest.update(weight.cpu().reshape(-1).view(torch.uint8).numpy())
    return {
        "layers": repr(model),
        "length": model.max_seq_length,
        "prompts": model.prompts,
        "default_prompt": model.default_prompt_name,
        "dimensions": model.truncate_dim,
        "weights": digest.hexdigest(),
    }
