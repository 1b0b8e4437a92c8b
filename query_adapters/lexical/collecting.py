"""Turn blocks of ids and texts into posting blocks, in bounded memory."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from query_adapters.errors import InvalidDatasetError
from query_adapters.lexical.postings import PostingBlock
from query_adapters.lexical.tokenizer import Tokenizer

TextBlock = tuple[Sequence[str], Sequence[str]]
"""Ids of documents and their texts."""
TextBlocks = Iterable[TextBlock]
"""The texts of an index, in blocks."""

Digests = NDArray[np.uint64]
"""A number for each text that tells it from others, `(n_documents,)`."""

TOKENS_AT_ONCE = 1 << 20  # tokens that are counted at once
FIRST, DETECTED_ON = 1_000, 200  # of the first texts, how many the language is detected on


class Collector:
    """Tokenizes documents and keeps the counts of their tokens; the texts are not kept.

    Args:
        tokenizer: Splits the texts.
        vocabulary: Ids of tokens that are known already; new tokens are added to it.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: dict[str, int]) -> None:
        self.vocabulary = vocabulary
        self.ids: list[str] = []
        self._blocks: list[PostingBlock] = []
        self._tokenizer = tokenizer
        self._lengths, self._digests = array("i"), array("Q")
        self._tokens, self._n_counted = array("i"), 0

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Number of tokens of each document, `(n_documents,)`."""
        return np.array(self._lengths, dtype=np.int32)

    @property
    def digests(self) -> Digests:
        """Digests of the texts, `(n_documents,)`."""
        return np.array(self._digests, dtype=np.uint64)

    def add(self, name: str, text: str) -> None:
        """Add a document."""
        tokens = self._tokenizer(text)
        known = self.vocabulary
        self._tokens.extend(known.setdefault(token, len(known)) for token in tokens)
        self.ids.append(name)
        self._lengths.append(len(tokens))
        self._digests.append(digest_of(text))
        if len(self._tokens) >= TOKENS_AT_ONCE:
            self._count()

    def counted(self) -> list[PostingBlock]:
        """Return the counts of all documents that were added, in blocks; row 0 is the first."""
        self._count()
        return self._blocks

    def _count(self) -> None:
        """Count the tokens that were added since the last call."""
        lengths = np.array(self._lengths[self._n_counted :], dtype=np.int32)
        rows = np.repeat(np.arange(self._n_counted, len(self._lengths)), lengths)
        self._blocks.append(PostingBlock.counted(np.array(self._tokens, dtype=np.int32), rows))
        self._tokens, self._n_counted = array("i"), len(self._lengths)


def documents_of(
    blocks: Iterable[TextBlock], *, show_progress: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield the checked (id, text) pairs of the blocks.

    Raises:
        InvalidDatasetError: If a block has not as many ids as texts, one of them is not a string,
            or an id occurs twice.
    """
    seen: set[str] = set()
    with tqdm(desc="Indexing words", unit=" texts", disable=not show_progress) as bar:
        for ids, texts in blocks:
            if len(ids) != len(texts):
                raise InvalidDatasetError(
                    f"lexical index: expected one text an id, got {len(ids)} ids and "
                    f"{len(texts)} texts in a block; pass blocks of (ids, texts)"
                )
            for name, text in zip(ids, texts, strict=True):
                _check(name, text, seen)
                seen.add(name)
                yield name, text
            bar.update(len(ids))


def with_tokenizer(
    documents: Iterable[tuple[str, str]], tokenizer: Tokenizer | None
) -> tuple[Iterable[tuple[str, str]], Tokenizer]:
    """Return the documents and their tokenizer, detected on the first of them if it is None."""
    if tokenizer is not None:
        return documents, tokenizer
    rest = iter(documents)
    first = list(islice(rest, FIRST))
    step = max(1, len(first) // DETECTED_ON)
    return chain(first, rest), Tokenizer.detected(text for _, text in first[::step])


def digest_of(text: str) -> int:
    """Return a number of 64 bits that differs from that of another text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _check(name: object, text: object, seen: set[str]) -> None:
    """Check the types of an id and its text, and that the id is new.

    Raises:
        InvalidDatasetError: If one is not a string, or the id was seen.
    """
    if not isinstance(name, str) or not isinstance(text, str):
        raise InvalidDatasetError(
            f"lexical index: expected strings, got id {name!r} with a text of type "
            f"{type(text).__name__}; leave out documents without a text"
        )
    if name in seen:
        raise InvalidDatasetError(
            f"lexical index: expected each id once, got {name!r} twice; give a document one text, "
            "or give chunks ids of their own"
        )
