"""Real texts without a download: Python's documentation, embedded by counting hashed words."""

import hashlib
import re
from collections import Counter
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr

from query_adapters.data.splits import split_by_query
from query_adapters.demo import read_dataset

DIM = 384
DATASET = read_dataset(n_queries=400)
TRAINING, HELD_OUT = split_by_query(DATASET, held_out=0.3, seed=0)


def pairs(questions: Any) -> list[tuple[str, list[str]]]:
    """Return the text of every question with the ids of its relevant documents."""
    return [(text, list(questions.qrels[key])) for key, text in questions.queries.items()]


def vector(text: str) -> list[float]:
    """Return the word counts; the hash of a word determines its column and sign."""
    found = np.zeros(DIM)
    for word, count in Counter(re.findall("[a-z]+", text.lower())).items():
        hashed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
        found[hashed % DIM] += np.log1p(count) * (1 if hashed >> 31 else -1)
    unit: list[float] = (found / max(float(np.linalg.norm(found)), 1e-9)).tolist()
    return unit


class HashedWords(BaseEmbedding):
    """A LlamaIndex model for these vectors that counts the documents it embeds."""

    model_name: str = "hashed-words-1"
    _n_documents: int = PrivateAttr(0)

    @property
    def n_documents(self) -> int:
        return self._n_documents

    def _get_query_embedding(self, query: str) -> list[float]:
        return vector(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return vector(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        self._n_documents += 1
        return vector(text)


class LangChainHashedWords(Embeddings):
    """A LangChain model for these vectors that counts the documents it embeds."""

    model_name = "hashed-words-1"

    def __init__(self) -> None:
        self.n_documents = 0

    def embed_query(self, text: str) -> list[float]:
        return vector(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.n_documents += len(texts)
        return [vector(text) for text in texts]
