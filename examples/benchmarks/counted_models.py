"""Embedding models that count calls, for training.py and old_package_training.py.

Imported in either engine's environment: needs the embeddings packages of LlamaIndex's for
huggingface and openai.
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
    """A sentence-transformers model on this machine's processors, as the guide has it."""

    _counts: Counter[str] = PrivateAttr(default_factory=Counter)

    def _embed(self, inputs: list[Any], prompt_name: str | None = None) -> list[Embedding]:
        role = "questions" if prompt_name == "query" else "documents"
        self._counts.update({"calls": 1, role: len(inputs)})
        return super()._embed(inputs, prompt_name)


class RemoteModel(BaseEmbedding):
    """Vectors that are known, after a provider's latency, one question a call."""

    _counts: Counter[str] = PrivateAttr(default_factory=Counter)
    _known: dict[str, Embedding] = PrivateAttr()  # a field would be serialised at each call
    _latency: float = PrivateAttr()

    def __init__(self, known: dict[str, Embedding], latency: float) -> None:
        # LlamaIndex's OpenAIEmbedding sends 100 documents a call unless told otherwise
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


CountedModel = LocalModel | RemoteModel | OpenAIEmbedding  # whose provider, api.py, counts


def taken_counts(model: CountedModel) -> dict[str, int]:
    """Return the calls, questions and documents since the last time."""
    if isinstance(model, OpenAIEmbedding):
        with urlopen(f"{model.api_base}/counts") as answer:  # noqa: S310
            counts: dict[str, int] = json.load(answer)
        return counts
    taken = {name: model._counts[name] for name in ("questions", "documents", "calls")}
    model._counts.clear()
    return taken


def counted_model(job: Mapping[str, Any]) -> CountedModel:
    """Return the model that the job names, ready to answer."""
    if job["model"] == "remote":
        return RemoteModel(known_vectors(job), job["latency"])
    if job["model"] == "openai":
        return OpenAIEmbedding(api_base=job["url"], api_key="none")
    model = LocalModel(job["folder"], device="cpu")
    model.get_query_embedding("The first call takes longer than any other.")
    taken_counts(model)
    return model


def known_vectors(job: Mapping[str, Any]) -> dict[str, Embedding]:
    """Return the vectors of the file's questions and documents by text."""
    given = json.loads(Path(job["train"]).read_text(encoding="utf-8"))
    texts = [*given["queries"].values(), *given["corpus"].values()]
    return dict(zip(texts, np.load(job["vectors"]).tolist(), strict=True))
