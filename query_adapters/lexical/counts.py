"""Counts of the tokens of all documents: what an index is updated from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from query_adapters.errors import InvalidDatasetError
from query_adapters.lexical.collecting import Collector, Digests, digest_of
from query_adapters.lexical.postings import Postings, combined
from query_adapters.lexical.tokenizer import Tokenizer
from query_adapters.typing import Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenCounts:
    """The documents of an index and the counts of their tokens.

    Attributes:
        ids: Ids of the documents, each once.
        lengths: Number of tokens of each document, `(len(ids),)`.
        digests: Tell whether a text has changed, `(len(ids),)`.
        vocabulary: Row in `postings` of each token.
        postings: Counts of tokens in documents.

    Raises:
        InvalidDatasetError: If there is no document.
    """

    ids: Sequence[str]
    lengths: NDArray[np.int32]
    digests: Digests
    vocabulary: dict[str, int]
    postings: Postings

    def __post_init__(self) -> None:
        if not self.ids:
            raise InvalidDatasetError(
                "lexical index: expected at least one document, got none; add documents, or leave "
                "the index out"
            )

    @classmethod
    def of(cls, documents: Iterable[tuple[str, str]], tokenizer: Tokenizer) -> Self:
        """Return the counts of (id, text) pairs."""
        collector = Collector(tokenizer, {})
        for name, text in documents:
            collector.add(name, text)
        return cls(
            ids=collector.ids,
            lengths=collector.lengths,
            digests=collector.digests,
            vocabulary=collector.vocabulary,
            postings=combined(collector.counted(), len(collector.vocabulary)),
        )

    def updated(
        self, changed: Iterable[tuple[str, str]], deleted: Iterable[str], tokenizer: Tokenizer
    ) -> Self:
        """Return the counts after documents were deleted, then added or changed."""
        gone = {self.rows[name] for name in deleted if name in self.rows}
        collector = Collector(tokenizer, dict(self.vocabulary))
        for name, text in changed:
            row = self.rows.get(name)
            if row is None or row in gone or not self.holds(name, text):
                collector.add(name, text)
        gone |= {self.rows[name] for name in collector.ids if name in self.rows}
        return self._merged(collector, np.array(sorted(gone), dtype=np.int64))

    def holds(self, name: str, text: str) -> bool:
        """Return whether a document is there with this text."""
        row = self.rows.get(name)
        return row is not None and int(self.digests[row]) == digest_of(text)

    def frequencies(self, tokens: Sequence[str]) -> Rows:
        """Return the number of documents that hold each token, `(len(tokens),)`."""
        starts = self.postings.starts
        rows = [self.vocabulary.get(token) for token in tokens]
        sizes = [0 if row is None else int(starts[row + 1] - starts[row]) for row in rows]
        return np.array(sizes, dtype=np.int64)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each id."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def average_length(self) -> float:
        """Mean number of tokens of a document; 1 if none has any, for it divides."""
        return float(self.lengths.mean(dtype=np.float64)) or 1.0

    def _merged(self, added: Collector, gone: Rows) -> Self:
        """Return the counts without the rows `gone`, and with the added documents."""
        stays = np.ones(len(self.ids), dtype=np.bool_)
        stays[gone] = False
        new_rows = np.where(stays, np.cumsum(stays) - 1, -1)
        blocks = list(self.postings.kept(new_rows))
        blocks += [block.moved(int(stays.sum())) for block in added.counted()]
        postings, used = combined(blocks, len(added.vocabulary)).without_unused()
        tokens = list(added.vocabulary)
        return type(self)(
            ids=[name for name, stay in zip(self.ids, stays, strict=True) if stay] + added.ids,
            lengths=np.append(self.lengths[stays], added.lengths),
            digests=np.append(self.digests[stays], added.digests),
            vocabulary={tokens[old]: new for new, old in enumerate(used)},
            postings=postings,
        )
