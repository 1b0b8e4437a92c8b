"""Run LangChain's standard tests on adapters that change queries."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_adapter import AdapterEmbeddings, CachedEmbeddings, LinearAdapterEmbeddings
from query_adapters.adapters import KernelAdapter, LinearAdapter

DIM = 6  # required by the standard tests
RNG = np.random.default_rng(0)
NEAR_IDENTITY = np.eye(DIM) + 0.05 * RNG.normal(size=(DIM, DIM))  # "foo" must still find "foo"
LINEAR = LinearAdapter(NEAR_IDENTITY)
KERNEL = KernelAdapter(LINEAR, np.eye(DIM)[:2], 0.05 * RNG.normal(size=(2, DIM)), 5.0)
BASE = DeterministicFakeEmbedding(size=DIM)
CACHE = Path(tempfile.mkdtemp()) / "vectors.sqlite"  # the standard tests take no fixture


def test_the_adapters_of_these_tests_change_queries() -> None:
    for model in (AdapterEmbeddings(BASE, KERNEL), LinearAdapterEmbeddings(BASE, LINEAR)):
        assert not np.allclose(model.embed_query("foo"), BASE.embed_query("foo"))


class OfAdapterEmbeddings:
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return AdapterEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"base": BASE, "adapter": KERNEL}


class OfLinearAdapterEmbeddings:
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return LinearAdapterEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"base": BASE, "weight": NEAR_IDENTITY}


class OfCachedEmbeddings:
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return CachedEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"base": BASE, "cache_path": CACHE}


class TestCachedEmbeddingsUnit(OfCachedEmbeddings, EmbeddingsUnitTests):
    pass


class TestCachedEmbeddings(OfCachedEmbeddings, EmbeddingsIntegrationTests):
    pass


class TestVectorStoreOfCachedEmbeddings(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> VectorStore:
        return InMemoryVectorStore(CachedEmbeddings(BASE, tmp_path / "vectors.sqlite"))


class TestAdapterEmbeddingsUnit(OfAdapterEmbeddings, EmbeddingsUnitTests):
    pass


class TestLinearAdapterEmbeddingsUnit(OfLinearAdapterEmbeddings, EmbeddingsUnitTests):
    pass


class TestAdapterEmbeddings(OfAdapterEmbeddings, EmbeddingsIntegrationTests):
    pass


class TestLinearAdapterEmbeddings(OfLinearAdapterEmbeddings, EmbeddingsIntegrationTests):
    pass


class TestVectorStoreOfAdapterEmbeddings(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> VectorStore:
        return InMemoryVectorStore(AdapterEmbeddings(BASE, KERNEL))


class TestVectorStoreOfLinearAdapterEmbeddings(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> VectorStore:
        return InMemoryVectorStore(LinearAdapterEmbeddings(BASE, LINEAR))
