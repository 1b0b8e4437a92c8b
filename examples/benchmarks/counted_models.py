"""Two embedding models that count what they are asked, for training.py and peer_training.py.

Imported in either engine's environment: needs llama-index-core and sentence-transformers alone.
"""

import asyncio
import json
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import PrivateAttr


class CountedModel(BaseEmbedding):
    """Counts the calls, and the questions and documents in them."""

    _counts: Counter[str] = PrivateAttr(default_factory=Counter)

    @abstractmethod
    def _vectors(self, texts: Sequence[str]) -> list[Embedding]: ...

    def _counted(self, role: str, texts: Sequence[str]) -> Sequence[str]:
        self._counts.update({"calls": 1, role: len(texts)})
        return texts

    def taken_counts(self) -> dict[str, int]:
        """Return the counts since the last time."""
        taken, self._counts = self._counts, Counter()
        return {name: taken[name] for name in ("questions", "documents", "calls")}

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._vectors(self._counted("questions", [query]))[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._vectors(self._counted("documents", texts))


class LocalModel(CountedModel):
    """A sentence-transformers model on this machine's processors, as LlamaIndex would call it."""

    _model: Any = PrivateAttr()

    def __init__(self, folder: str) -> None:
        from sentence_transformers import SentenceTransformer

        super().__init__(model_name=Path(folder).name)
        self._model = SentenceTransformer(folder, device="cpu")

    def _vectors(self, texts: Sequence[str]) -> list[Embedding]:
        vectors = self._model.encode(
            list(texts),
            batch_size=self.embed_batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return [vector.tolist() for vector in vectors]


class RemoteModel(CountedModel):
    """Vectors that are known, after the time that a call to a provider takes."""

    _known: dict[str, Embedding] = PrivateAttr()  # a field would be serialised at each call
    _latency: float = PrivateAttr()

    def __init__(self, known: dict[str, Embedding], latency: float) -> None:
        # LlamaIndex's OpenAIEmbedding sends 100 documents a call unless told otherwise
        super().__init__(model_name="remote", embed_batch_size=100)
        self._known, self._latency = known, latency

    def _vectors(self, texts: Sequence[str]) -> list[Embedding]:
        time.sleep(self._latency)
        return [self._known[text] for text in texts]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        self._counted("questions", [query])
        await asyncio.sleep(self._latency)
        return self._known[query]


def counted_model(job: Mapping[str, Any]) -> CountedModel:
    """Return the model that the job names, ready to answer."""
    if job["model"] == "remote":
        return RemoteModel(known_vectors(job), job["latency"])
    model = LocalModel(job["folder"])
    model.get_query_embedding("The first call takes longer than any other.")
    model.taken_counts()
    return model


def known_vectors(job: Mapping[str, Any]) -> dict[str, Embedding]:
    """Return the vectors of the file's questions and documents by text."""
    given = json.loads(Path(job["train"]).read_text(encoding="utf-8"))
    texts = [*given["queries"].values(), *given["corpus"].values()]
    return dict(zip(texts, np.load(job["vectors"]).tolist(), strict=True))
