"""A tiny deterministic embedding model that knows the role of a text."""

import asyncio
import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from pydantic import BaseModel, PrivateAttr

from query_adapters.adapters import LinearAdapter

DIM = 8
SECRET = "sk-do-not-tell"  # noqa: S105


class RoleEmbeddings(BaseModel, Embeddings):
    """Vectors from a hash of the model's settings, the role and the text; remembers its calls.

    The dimension is told only if `dimensions` is set. An asynchronous query takes as many turns
    of the event loop as its text has letters.
    """

    model: str = "fake/tiny-embedder"
    openai_api_key: str = SECRET
    dimensions: int | None = None
    width: int = DIM
    instruction: str = ""
    chunk_size: int | None = None
    _calls: list[tuple[str, tuple[str, ...]]] = PrivateAttr(default_factory=list)

    @property
    def calls(self) -> list[tuple[str, tuple[str, ...]]]:
        return self._calls

    def vector(self, role: str, text: str) -> list[float]:
        said = f"{self.model}|{self.instruction}|{role}|{text}"
        seed = int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "little")
        size = self.width if self.dimensions is None else self.dimensions
        vector: list[float] = np.random.default_rng(seed).normal(size=size).tolist()
        return vector

    def _embed(self, call: str, role: str, *texts: str) -> list[list[float]]:
        self._calls.append((call, texts))
        return [self.vector(role, text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._embed("query", "query", text)[0]

    async def aembed_query(self, text: str) -> list[float]:
        for _ in text:
            await asyncio.sleep(0)
        return self._embed("async query", "query", text)[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embed("documents", "document", *texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embed("async documents", "document", *texts)


@pytest.fixture
def make_base() -> Callable[..., RoleEmbeddings]:
    return RoleEmbeddings


@pytest.fixture
def base() -> RoleEmbeddings:
    return RoleEmbeddings()


@pytest.fixture
def secret() -> str:
    return SECRET


@pytest.fixture
def make_adapter() -> Callable[..., LinearAdapter]:
    def make(seed: int = 0, *, dim: int = DIM, dim_out: int | None = None) -> LinearAdapter:
        shape = (dim if dim_out is None else dim_out, dim)
        return LinearAdapter(np.random.default_rng(seed).normal(size=shape))

    return make


@pytest.fixture
def adapter(make_adapter: Callable[..., LinearAdapter]) -> LinearAdapter:
    return make_adapter()
