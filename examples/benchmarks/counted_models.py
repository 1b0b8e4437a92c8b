"""Embedding models that count calls, for training.py and old_package_training.py.

Both engines' environments import this module. It needs llama-index-embeddings-huggingface and
llama-index-embeddings-openai.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding


class LocalModel(HuggingFaceEmbedding):
    """A sentence-transformers model on the CPU, as in LlamaIndex's guide."""

    _counts: Counter[str] = PrivateAttr(default_factory=Counter)

    def _embed(self, inputs: list[Any], prompt_name: str | None = None) -> list[Embedding]:
        role = "questions" if prompt_name == "query" else "documents"
        self._counts.update({"calls": 1, role: len(inputs)})
        return super()._embed(inputs, prompt_name)


class RemoteModel(BaseEmbedding):
    """A model that returns precomputed vectors after a delay, one question per call."""

    _counts: Counter[str] = PrivateAttr(default_factory=Counter)
    _known: dict[str, Embedding] = PrivateAttr()  # a field would be serialized at each call
    _latency: float = PrivateAttr()

    def __init__(self, known: dict[str, Embedding], latency: float) -> None:
        # 100 documents per call is the default of LlamaIndex's OpenAIEmbedding
        super().__init__(model_name="remote", embed_batch_size=100)
        self._known, self._latency = known, latency

    def _get_query_embedding(self, query: str) -> Embedding:
        time.sleep(self._latency)
        return self._answers("questions", [query])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        await asyncio.sleep(self._latency)
        return self._answers("questions", [query])[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        time.sleep(self._latency)
        return self._answers("documents", texts)

    def _answers(self, role: str, texts: Sequence[str]) -> list[Embedding]:
        self._counts.update({"calls": 1, role: len(texts)})
        return [self._known[text] for text in texts]


CountedModel = LocalModel | RemoteModel | OpenAIEmbedding  # api.py counts for OpenAIEmbedding


def taken_counts(model: CountedModel) -> dict[str, int]:
    """Return and reset the numbers of calls, questions and documents."""
    if isinstance(model, OpenAIEmbedding):
        with urlopen(f"{model.api_base}/counts") as answer:  # noqa: S310
            counts: dict[str, int] = json.load(answer)
        return counts
    taken = {name: model._counts[name] for name in ("questions", "documents", "calls")}
    model._counts.clear()
    return taken


def counted_model(job: Mapping[str, Any]) -> CountedModel:
    """Return the model that the job names, after a warm-up call if it is local."""
    if job["model"] == "remote":
        return RemoteModel(known_vectors(job), job["latency"])
    if job["model"] == "openai":
        return OpenAIEmbedding(api_base=job["url"], api_key="none")
    model = LocalModel(job["folder"], device="cpu")
    model.get_query_embedding("The first call takes longer than any other.")
    taken_counts(model)
    return model


def known_vectors(job: Mapping[str, Any]) -> dict[str, Embedding]:
    """Return the vectors of the file's questions and documents, keyed by text."""
    given = json.loads(Path(job["train"]).read_text(encoding="utf-8"))
    texts = [*given["queries"].values(), *given["corpus"].values()]
    return dict(zip(texts, np.load(job["vectors"]).tolist(), strict=True))
