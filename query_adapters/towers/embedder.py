"""A sentence-transformers model as the core knows one."""

import hashlib
from collections.abc import Sequence

import numpy as np
from sentence_transformers import SentenceTransformer

from query_adapters.matrix import check_finite
from query_adapters.typing import Vectors


class SentenceTransformerEmbedder:
    """A `TextEmbedder` over a sentence-transformers model, each role by its own prompt and route.

    Args:
        model: The model.
        model_name: Its hub name or folder.
        batch_size: Texts at once.
    """

    def __init__(
        self, model: SentenceTransformer, *, model_name: str, batch_size: int = 32
    ) -> None:
        self.model = model
        self.model_name = model_name
        self.batch_size = batch_size

    @property
    def identity(self) -> str:
        """What tells this model's vectors from any other's: its weights, length and prompts."""
        return f"SentenceTransformer:{self.model_name}#{weights_digest(self.model)}"

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of questions, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite.
        """
        vectors = self.model.encode_query(
            list(texts), batch_size=self.batch_size, show_progress_bar=False
        )
        return _matrix(vectors, len(texts))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite.
        """
        vectors = self.model.encode_document(
            list(texts), batch_size=self.batch_size, show_progress_bar=False
        )
        return _matrix(vectors, len(texts))


def weights_digest(model: SentenceTransformer) -> str:
    """Return sixteen hexadecimal digits of whatever decides the model's vectors."""
    settings = (model.max_seq_length, sorted(model.prompts.items()), model.default_prompt_name)
    digest = hashlib.sha256(repr(settings).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def _matrix(vectors: object, n_texts: int) -> Vectors:
    matrix = np.array(vectors, dtype=np.float32).reshape(n_texts, -1 if n_texts else 0)
    check_finite(matrix, "vectors of the embedding model")
    return matrix
