"""The contract of a `TextEmbedder`, as tests that a class inherits."""

import asyncio
import inspect
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from query_adapters.embedders.protocol import TextEmbedder
from query_adapters.typing import Vectors

ROLES = "embed_queries", "embed_documents"
MOST = 70  # texts of one test, so that a model with a large batch size is tested quickly
UNUSUAL = ("a", "  spaces around ", "two\nlines", "straße, 東京, 🙂", "?")


class TextEmbedderSuite(ABC):
    """Tests of an embedding model: roles, order, batches, duplicates, no texts, long texts.

    Inherit it in a class whose name starts with "Test", override `embedder`, and state what
    differs. An asynchronous method `aembed_queries` or `aembed_documents`, if there is one, must
    return what the other returns.

    Attributes:
        has_roles: Whether a query and a document of the same text have different vectors.
        tolerance: The most that the vectors of one text in two batches may differ, in itself and
            relatively.
        long_text_words: Words of the longest text that is embedded; the model may shorten it.
    """

    has_roles: bool = True
    tolerance: float = 1e-5
    long_text_words: int = 10_000

    @pytest.fixture
    @abstractmethod
    def embedder(self) -> TextEmbedder:
        """Return the model."""

    def check_equal(self, one: Vectors, other: Vectors) -> None:
        """Check that two matrices are equal up to `tolerance`."""
        np.testing.assert_allclose(one, other, rtol=self.tolerance, atol=self.tolerance)

    def test_names_and_batch_size_are_stated(self, embedder: TextEmbedder) -> None:
        assert isinstance(embedder.model_name, str)
        assert embedder.model_name
        assert isinstance(embedder.identity, str)
        assert embedder.identity == embedder.identity  # the same each time
        assert embedder.batch_size >= 1

    @pytest.mark.parametrize("role", ROLES)
    def test_vectors_are_rows_of_finite_float32(self, embedder: TextEmbedder, role: str) -> None:
        vectors = getattr(embedder, role)(list(UNUSUAL))
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(UNUSUAL), vectors.shape[1])
        assert vectors.shape[1] > 0
        assert np.isfinite(vectors).all()
        assert (vectors != 0).any(axis=1).all(), "a text got a vector of zeros"

    @pytest.mark.parametrize("role", ROLES)
    def test_a_text_gets_its_vector_in_any_batch_and_place(
        self, embedder: TextEmbedder, role: str
    ) -> None:
        embed = getattr(embedder, role)
        texts = [f"text number {n}" for n in range(min(2 * embedder.batch_size + 3, MOST))]
        together = embed(texts)
        self.check_equal(together[::-1], embed(texts[::-1]))
        for row in (0, len(texts) // 2, len(texts) - 1):
            self.check_equal(together[row : row + 1], embed([texts[row]]))
        assert len(np.unique(np.round(together, 6), axis=0)) == len(texts)

    @pytest.mark.parametrize("role", ROLES)
    def test_a_text_that_comes_twice_gets_one_vector(
        self, embedder: TextEmbedder, role: str
    ) -> None:
        vectors = getattr(embedder, role)(["twice", "once", "twice"])
        self.check_equal(vectors[:1], vectors[2:])
        assert not np.allclose(vectors[0], vectors[1])

    @pytest.mark.parametrize("role", ROLES)
    def test_no_texts_have_no_vectors(self, embedder: TextEmbedder, role: str) -> None:
        assert len(getattr(embedder, role)([])) == 0

    @pytest.mark.parametrize("role", ROLES)
    def test_a_long_text_has_a_vector(self, embedder: TextEmbedder, role: str) -> None:
        embed = getattr(embedder, role)
        vectors = embed(["word " * self.long_text_words, "short"])
        assert vectors.shape == (2, embed(["short"]).shape[1])

    def test_the_role_is_part_of_the_vector(self, embedder: TextEmbedder) -> None:
        texts = ["one text", "another text"]
        queries, documents = embedder.embed_queries(texts), embedder.embed_documents(texts)
        assert queries.shape == documents.shape
        if self.has_roles:
            assert not np.allclose(queries, documents), "both roles have the same vectors"
        else:
            self.check_equal(queries, documents)

    def test_two_threads_at_once_get_their_own_vectors(self, embedder: TextEmbedder) -> None:
        texts = [[f"thread {n}, text {i}" for i in range(3)] for n in range(4)]
        expected = [embedder.embed_queries(batch) for batch in texts]
        with ThreadPoolExecutor(4) as pool:
            for one, other in zip(pool.map(embedder.embed_queries, texts), expected, strict=True):
                self.check_equal(one, other)

    @pytest.mark.parametrize("role", ROLES)
    def test_the_asynchronous_method_returns_the_same(
        self, embedder: TextEmbedder, role: str
    ) -> None:
        method: Any = getattr(embedder, f"a{role}", None)
        if method is None or not inspect.iscoroutinefunction(method):
            pytest.skip(f"the model has no asynchronous `a{role}`")
        expected = getattr(embedder, role)(list(UNUSUAL))
        self.check_equal(asyncio.run(method(list(UNUSUAL))), expected)
