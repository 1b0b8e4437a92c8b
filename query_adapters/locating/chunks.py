"""Read chunks in blocks of bounded size, and check them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from tqdm.auto import tqdm

from query_adapters.errors import InvalidDatasetError
from query_adapters.lexical.collecting import TextBlocks
from query_adapters.typing import Texts

Chunks = Texts | TextBlocks
"""Texts by id, or blocks of (ids, texts), which are read once."""

AT_ONCE = 1_000  # chunks
SHOWN = 3  # ids that an error names; further ones are counted


def blocks_of(
    chunks: Chunks, *, show_progress: bool = False
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield blocks of (ids, texts), of at most 1,000 chunks; chunks without text are left out.

    Raises:
        InvalidDatasetError: If there is no chunk with text, an id occurs twice, or the chunks are
            neither a mapping nor blocks of as many ids as texts.
    """
    pairs = _checked(chunks)
    n_chunks = 0
    with tqdm(desc="Locating", unit=" chunks", disable=not show_progress) as bar:
        while block := list(islice(pairs, AT_ONCE)):
            n_chunks += len(block)
            yield [key for key, _ in block], [text for _, text in block]
            bar.update(len(block))
    if not n_chunks:
        raise InvalidDatasetError(
            "chunks: expected at least one with text, got none; pass texts by id, or blocks of "
            "(ids, texts), which an iterator yields only once; an index has to return its texts"
        )


def labelled_texts(ids: Collection[str], chunks: Chunks) -> dict[str, str]:
    """Return the texts of some chunks.

    Raises:
        InvalidDatasetError: If one is missing, or as in `blocks_of`.
    """
    wanted = set(ids)
    texts = {key: text for key, text in _checked(chunks) if key in wanted}
    missing = [key for key in ids if key not in texts]
    if missing:
        raise InvalidDatasetError(
            f"old chunks: expected the text of every relevant one, got none of {len(missing)}, "
            f"such as {', '.join(map(repr, missing[:SHOWN]))}; pass the chunks that the labels "
            "name, or drop those questions"
        )
    return texts


def _checked(chunks: Chunks) -> Iterator[tuple[str, str]]:
    """Yield the ids and texts of all chunks that have a text."""
    seen: set[str] = set()
    for key, text in _pairs(chunks):
        if not isinstance(key, str) or not isinstance(text, str):
            raise InvalidDatasetError(
                f"chunks: expected ids and texts as strings, got {key!r} with a "
                f"{type(text).__name__}; leave out chunks without a text"
            )
        if key in seen:
            raise InvalidDatasetError(
                f"chunks: expected each id once, got {key!r} twice; give chunks ids of their own"
            )
        seen.add(key)
        if text.strip():
            yield key, text


def _pairs(chunks: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(chunks, Mapping):
        yield from chunks.items()
        return
    if isinstance(chunks, str) or not isinstance(chunks, Iterable):
        raise _refused(chunks)
    for block in chunks:
        if not isinstance(block, Sequence) or isinstance(block, str) or len(block) != 2:
            raise _refused(block)
        ids, texts = block
        if isinstance(ids, str) or len(ids) != len(texts):
            raise _refused(block)
        yield from zip(ids, texts, strict=True)


def _refused(found: object) -> InvalidDatasetError:
    return InvalidDatasetError(
        "chunks: expected texts by id, or blocks of (ids, texts) of equal length, got "
        f"{str(found)[:80]!r}; of pairs, pass dict(pairs)"
    )
