"""Score what a retriever returns for one query, judged by ids or by texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from query_adapters.data.dataset import listed_ids
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation.evaluate import evaluate_run

Retrieved = Sequence[tuple[str, str]]
"""Ids and texts of the retrieved documents, best first."""


@dataclass(frozen=True, kw_only=True)
class ExpectedDocuments:
    """The relevant documents of one query.

    Attributes:
        query: The query's text.
        keys: Ids of the relevant documents, or their texts without surrounding white space.
        by_text: Whether the keys are texts.
    """

    query: str
    keys: tuple[str, ...]
    by_text: bool

    @classmethod
    def of(cls, query: str, ids: Iterable[str] | None, texts: Iterable[str] | None) -> Self:
        """Return the documents by id where ids are given, else by text.

        Raises:
            InvalidDatasetError: If both are missing or empty, or one is a single string.
        """
        found = listed_ids(query, ids) if ids is not None else _listed_texts(query, texts)
        if not found:
            raise InvalidDatasetError(
                f"query {query!r}: expected at least one relevant document, got none; pass "
                "expected_ids=[...] or expected_texts=[...]"
            )
        return cls(query=query, keys=tuple(dict.fromkeys(found)), by_text=ids is None)

    def scores(self, retrieved: Retrieved, *, metrics: Sequence[str]) -> dict[str, float]:
        """Return the query's score by metric, 0..1.

        Args:
            retrieved: What the retriever returned. A text that occurs twice counts once.
            metrics: Names such as "ndcg@10".
        """
        ranking = [text.strip() if self.by_text else key for key, text in retrieved]
        qrels = {self.query: dict.fromkeys(self.keys, 1.0)}
        return evaluate_run({self.query: ranking}, qrels, metrics=metrics).means


def _listed_texts(query: str, texts: Iterable[str] | None) -> list[str]:
    if isinstance(texts, str):
        raise InvalidDatasetError(
            f"query {query!r}: expected a list of texts, got one string; write [{texts[:40]!r}]"
        )
    return [text.strip() for text in texts or ()]
