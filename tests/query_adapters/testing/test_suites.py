"""Test that the contract suites find what they look for: each wrong source fails one test."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import pytest

from query_adapters.stores import MappingSource, RawBlock
from query_adapters.testing import RetrieverSuite, Row, TextEmbedderSuite, VectorSourceSuite
from query_adapters.typing import Vectors

Rows = list[tuple[str, Any]]
Wrong = Callable[[Rows, Sequence[str] | None, int], list[Rows]]
"""From the rows, the ids wanted and the batch size, what a wrong source reads."""


def cut(rows: Rows, size: int) -> list[Rows]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]


class Source(MappingSource):
    """A source in memory that reads as the function says."""

    wrong: Wrong

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        known = list(self.vectors) if ids is None else [key for key in ids if key in self.vectors]
        rows = [(key, self.vectors[key]) for key in known]
        for block in self.wrong(rows, ids, batch_size):
            yield [key for key, _ in block], [vector for _, vector in block]


class Suite(VectorSourceSuite):
    @pytest.fixture
    def make_source(self) -> Any:
        raise NotImplementedError

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        for key in ids:
            del source.vectors[key]


def makes(read: Wrong, similarity: Any = "cosine") -> Callable[[Sequence[Row]], Any]:
    kind = type("Wrong", (Source,), {"wrong": staticmethod(read)})
    return lambda rows: kind({row.key: row.vector for row in rows}, similarity)


def right(rows: Rows, ids: Sequence[str] | None, size: int) -> list[Rows]:
    return cut(rows, size)


def swapped(rows: Rows) -> Rows:
    return [(key, vector) for (key, _), (_, vector) in zip(rows, rows[1:] + rows[:1], strict=True)]


ONCE = "test_every_row_is_read_once_with_its_vector"
BY_ID = "test_rows_are_read_by_id_and_missing_ids_are_left_out"


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (lambda rows, ids, size: cut(rows, size + 1), ONCE),
        (lambda rows, ids, size: cut(rows[:-1], size), ONCE),
        (lambda rows, ids, size: cut([*rows, *rows[:1]], size), ONCE),
        (lambda rows, ids, size: cut(swapped(rows), size), ONCE),
        (lambda rows, ids, size: cut([(k, np.array(v) / 2) for k, v in rows], size), ONCE),
        (lambda rows, ids, size: cut(rows if ids is None else rows[1:], size), BY_ID),
        (lambda rows, ids, size: [rows] if ids else cut(rows, size), BY_ID),
    ],
)
def test_a_wrong_source_fails(wrong: Wrong, test: str) -> None:
    getattr(Suite(), test)(makes(right))
    with pytest.raises(AssertionError):
        getattr(Suite(), test)(makes(wrong))


def test_a_source_that_goes_on_where_the_last_read_stopped_fails() -> None:
    left: list[Rows] = []

    def wrong(rows: Rows, ids: Sequence[str] | None, size: int) -> Any:
        left.extend(cut(rows, size) if not left else [])
        while left:
            yield left.pop(0)

    with pytest.raises(AssertionError):
        Suite().test_a_read_that_is_given_up_disturbs_no_other(makes(wrong))


def test_another_similarity_fails() -> None:
    with pytest.raises(AssertionError):
        Suite().test_the_similarity_is_stated(makes(right, "dot"))


class Embedder:
    """An embedding model that gives random vectors by the hash of a text, in the role."""

    model_name, identity, batch_size = "m", "m", 4

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed("query", texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self.embed("document", texts)

    def embed(self, role: str, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(sum(f"{role} {t}".encode())).normal(size=4) for t in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), 4)


class ForgetsTheRole(Embedder):
    def embed(self, role: str, texts: Sequence[str]) -> Vectors:
        return super().embed("", texts)


class LosesTheOrder(Embedder):
    def embed(self, role: str, texts: Sequence[str]) -> Vectors:
        return super().embed(role, sorted(texts))


class DropsDuplicates(Embedder):
    def embed(self, role: str, texts: Sequence[str]) -> Vectors:
        return super().embed(role, list(dict.fromkeys(texts)))


class DependsOnTheBatch(Embedder):
    def embed(self, role: str, texts: Sequence[str]) -> Vectors:
        return super().embed(role, texts) + np.float32(len(texts))


class Doubles(Embedder):
    def embed(self, role: str, texts: Sequence[str]) -> Any:
        return super().embed(role, texts).astype(np.float64)


class Models(TextEmbedderSuite):
    @pytest.fixture
    def embedder(self) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (ForgetsTheRole, "test_the_role_is_part_of_the_vector"),
        (LosesTheOrder, "test_a_text_gets_its_vector_in_any_batch_and_place"),
        (DropsDuplicates, "test_a_text_that_comes_twice_gets_one_vector"),
        (DependsOnTheBatch, "test_a_text_gets_its_vector_in_any_batch_and_place"),
        (Doubles, "test_vectors_are_rows_of_finite_float32"),
    ],
)
def test_a_wrong_model_fails(kind: type[Embedder], test: str) -> None:
    roles = () if "role" in test else ("embed_queries",)
    getattr(Models(), test)(Embedder(), *roles)
    with pytest.raises(AssertionError):
        getattr(Models(), test)(kind(), *roles)


Listed = list[tuple[str, float | None]]


class Retrievers(RetrieverSuite):
    """A retriever is a list of documents here, its function, and how many it returns."""

    @pytest.fixture
    def make_retriever(self) -> Any:
        raise NotImplementedError

    def search(self, retriever: Any, question: str) -> Any:
        return retriever.search(question)

    async def asearch(self, retriever: Any, question: str) -> Any:
        return retriever.asearch(question)

    def delete(self, retriever: Any, ids: Sequence[str]) -> None:
        retriever.delete(ids)


class Retriever:
    """A retriever of scores that depend on the question's letters."""

    def __init__(self, rows: Sequence[Row], k: int) -> None:
        self.ids, self.k = [row.key for row in rows], k

    def search(self, question: str) -> Listed:
        rng = np.random.default_rng(sum(question.encode()))
        scores = dict(zip(self.ids, rng.random(len(self.ids)).tolist(), strict=True))
        return [(key, scores[key]) for key in sorted(scores, key=lambda key: -scores[key])][
            : self.k
        ]

    def asearch(self, question: str) -> Listed:
        return self.search(question)

    def delete(self, ids: Sequence[str]) -> None:
        self.ids = [key for key in self.ids if key not in ids]


class RanksBackwards(Retriever):
    def search(self, question: str) -> Listed:
        return super().search(question)[::-1]


class ReturnsOneTwice(Retriever):
    def search(self, question: str) -> Listed:
        found = super().search(question)
        return [*found[:-1], found[0]] if len(found) == 1 else [found[0], *found[:-1]]


class ReturnsTooMany(Retriever):
    def search(self, question: str) -> Listed:
        self.k += 1
        return super().search(question)


class InventsAnId(Retriever):
    def search(self, question: str) -> Listed:
        return [*super().search(question)[:-1], ("unknown", -1.0)]


class ForgetsScores(Retriever):
    def search(self, question: str) -> Listed:
        return [
            (key, score if place else None)
            for place, (key, score) in enumerate(super().search(question))
        ]


class DiffersAsynchronously(Retriever):
    def asearch(self, question: str) -> Listed:
        return self.search(question + "!")


class KeepsTheDeleted(Retriever):
    def delete(self, ids: Sequence[str]) -> None:
        pass


class FindsNothing(Retriever):
    def search(self, question: str) -> Listed:
        return []


KNOWN = "test_known_documents_are_returned_once_best_first"


def test_a_retriever_that_finds_nothing_fails_even_if_it_need_not_fill_its_list() -> None:
    suite = Retrievers()
    suite.fills = False
    getattr(suite, KNOWN)(Retriever)
    with pytest.raises(AssertionError, match="at least one of the questions"):
        getattr(suite, KNOWN)(FindsNothing)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (RanksBackwards, KNOWN),
        (ReturnsOneTwice, KNOWN),
        (ReturnsTooMany, KNOWN),
        (InventsAnId, KNOWN),
        (ForgetsScores, KNOWN),
        (DiffersAsynchronously, "test_the_asynchronous_method_returns_the_same"),
        (KeepsTheDeleted, "test_deleted_documents_are_not_returned"),
    ],
)
def test_a_wrong_retriever_fails(kind: type[Retriever], test: str) -> None:
    getattr(Retrievers(), test)(Retriever)
    with pytest.raises(AssertionError):
        getattr(Retrievers(), test)(kind)
