"""The contract of a retriever, as tests that a class inherits."""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from query_adapters.testing.rows import Row, row_of

N, K = 23, 5

Found = Sequence[tuple[str, float | None]]
"""Ids of documents with their scores, best first; None for a retriever without scores."""

MakeRetriever = Callable[[Sequence[Row], int], Any]
"""A function that fills a new store with rows and returns a retriever of `k` documents."""


class RetrieverSuite(ABC):
    """Tests of what a retriever must do to be evaluated and to be part of a learned retriever.

    Inherit it in a class whose name starts with "Test", override `make_retriever` and `search`, and
    state what differs. Tests of what a retriever cannot do are skipped, with the reason.

    Attributes:
        fills: Whether it returns `k` documents whenever there are as many.
        questions: Questions that the tests ask; at least four, each different.
        empty_query: What an empty question raises; None if it is answered.
        tolerance: The most that a score may differ between two calls, in itself and relatively.
    """

    fills: bool = True
    questions: Sequence[str] = (
        "text of id-3",
        "which text is that?",
        'two\nlines, "quoted", it\'s',
        "straße, 東京, 🙂",
        "word " * 300,
    )
    empty_query: type[Exception] | None = None
    tolerance: float = 1e-6

    @pytest.fixture
    @abstractmethod
    def make_retriever(self) -> MakeRetriever:
        """Return a function of rows and `k` that fills a new store and returns its retriever."""

    @abstractmethod
    def search(self, retriever: Any, question: str) -> Found:
        """Return the ids of what is retrieved, with scores, best first."""

    def asearch(self, retriever: Any, question: str) -> Awaitable[Found]:
        """Return the same by the asynchronous method; without it, that method is not tested."""
        pytest.skip("no `asearch`: the suite cannot ask this retriever asynchronously")

    def delete(self, retriever: Any, ids: Sequence[str]) -> None:
        """Delete documents of the retriever's store; without it, deletes are not tested."""
        pytest.skip("no `delete`: the suite cannot delete documents of this retriever's store")

    def key_of(self, number: int) -> str:
        """Return the id of a document; override it where ids have a form of their own."""
        return f"id-{number}"

    def rows(self, n: int = N) -> list[Row]:
        """Return documents to store."""
        return [row_of(self.key_of(number), number) for number in range(n)]

    def check(self, found: Found, rows: Sequence[Row], *, most: int) -> None:
        """Check that these are at most `most` of the documents, once each, best first."""
        ids = [key for key, _ in found]
        assert all(isinstance(key, str) for key in ids), f"expected text as ids, got {ids}"
        assert set(ids) <= {row.key for row in rows}, f"unknown ids: {ids}"
        assert len(set(ids)) == len(ids), f"a document was returned twice: {ids}"
        assert len(ids) <= most, f"expected at most {most} documents, got {len(ids)}"
        scores = [score for _, score in found if score is not None]
        assert len(scores) in (0, len(found)), "some documents have a score, and others have none"
        assert all(map(math.isfinite, scores)), f"expected finite scores, got {scores}"
        falls = all(later <= earlier for earlier, later in pairwise(scores))
        assert falls, f"expected scores that do not rise, got {scores}"
        assert not self.fills or len(ids) == min(most, len(rows)), f"got {len(ids)} of {most}"

    def check_same(self, one: Found, other: Found) -> None:
        """Check that two calls returned the same documents with the same scores."""
        assert [key for key, _ in one] == [key for key, _ in other]
        for (_, expected), (key, score) in zip(one, other, strict=True):
            near: Any = expected  # None, if the retriever has no scores
            if expected is not None:
                near = pytest.approx(expected, rel=self.tolerance, abs=self.tolerance)
            assert score == near, f"the score of {key!r}"

    def test_known_documents_are_returned_once_best_first(
        self, make_retriever: MakeRetriever
    ) -> None:
        rows = self.rows()
        retriever = make_retriever(rows, K)
        found = [self.search(retriever, question) for question in self.questions]
        for one in found:
            self.check(one, rows, most=K)
        assert any(found), "expected a document for at least one of the questions, got none"

    @pytest.mark.parametrize("k", [1, N, N + 7])
    def test_at_most_k_documents_are_returned(self, make_retriever: MakeRetriever, k: int) -> None:
        rows = self.rows()
        retriever = make_retriever(rows, k)
        self.check(self.search(retriever, self.questions[0]), rows, most=k)

    def test_an_empty_question_is_answered_or_refused(self, make_retriever: MakeRetriever) -> None:
        rows = self.rows()
        retriever = make_retriever(rows, K)
        if self.empty_query is not None:
            with pytest.raises(self.empty_query):
                self.search(retriever, "")
        else:
            self.check(self.search(retriever, ""), rows, most=K)

    def test_a_question_is_answered_alike_each_time(self, make_retriever: MakeRetriever) -> None:
        retriever = make_retriever(self.rows(), K)
        first = [self.search(retriever, question) for question in self.questions]
        for question, found in zip(self.questions[::-1], first[::-1], strict=True):
            self.check_same(found, self.search(retriever, question))

    def test_the_asynchronous_method_returns_the_same(self, make_retriever: MakeRetriever) -> None:
        retriever = make_retriever(self.rows(), K)
        expected = [self.search(retriever, question) for question in self.questions]

        async def ask() -> list[Found]:
            return await asyncio.gather(*(self.asearch(retriever, q) for q in self.questions))

        for one, other in zip(expected, asyncio.run(ask()), strict=True):
            self.check_same(one, other)

    def test_threads_at_once_get_their_own_documents(self, make_retriever: MakeRetriever) -> None:
        retriever = make_retriever(self.rows(), K)
        questions = [*self.questions, *self.questions]
        expected = [self.search(retriever, question) for question in questions]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda question: self.search(retriever, question), questions))
        for one, other in zip(expected, found, strict=True):
            self.check_same(one, other)

    def test_deleted_documents_are_not_returned(self, make_retriever: MakeRetriever) -> None:
        rows = self.rows()
        retriever = make_retriever(rows, N)
        gone = {key for key, _ in self.search(retriever, self.questions[0])[:3]}
        self.delete(retriever, sorted(gone))
        left = [row for row in rows if row.key not in gone]
        self.check(self.search(retriever, self.questions[0]), left, most=N)
