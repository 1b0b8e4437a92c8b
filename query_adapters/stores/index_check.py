"""Find the prefix that the documents of an index were embedded with."""

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice

import numpy as np

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.batching import check_at_least_one
from query_adapters.errors import InvalidVectorsError
from query_adapters.stores.blocks import read_blocks
from query_adapters.stores.live import LiveIndex
from query_adapters.stores.prefix_check import PrefixCheck, compared, ways_of
from query_adapters.typing import Vectors

N_TEXTS = 32
MOST_BLOCKS = 32  # of `n_texts` documents: a store without texts is not read to its end


def check_prefix(
    index: LiveIndex,
    embedder: TextEmbedder,
    *,
    n_texts: int = N_TEXTS,
    prefixes: Sequence[str] | None = None,
) -> PrefixCheck:
    """Return which prefix, if any, the stored documents were embedded with.

    Each text is embedded once in each way: as the model is given, in its role for queries, without
    a prefix, and with each of the prefixes. Cosines are compared, whatever the form of the store.

    Args:
        index: The index, with texts.
        embedder: The model that built it, with the prefixes that it is to be used with.
        n_texts: The most documents to embed: of the first `32 * n_texts`, those whose texts can be
            read.
        prefixes: Prefixes to try; by default those of the model's family, or of every family in
            `PRESETS` for a model of none.

    Raises:
        InvalidVectorsError: If the store returns no vectors, or no texts of the first documents.
        DimensionMismatchError: If the stored vectors are longer than the model's.
        ValueError: If `n_texts` is below 1.
    """
    check_at_least_one(n_texts=n_texts)
    stored, texts = _with_texts(index, n_texts)
    encode = getattr(index.source, "as_stored", None)
    return compared(stored, texts, embedder, ways_of(embedder, prefixes), encode=encode)


def _with_texts(index: LiveIndex, n_texts: int) -> tuple[Vectors, list[str]]:
    """Return stored vectors and texts of the first documents whose texts can be read."""
    with closing(_pairs(index, n_texts)) as pairs:
        found = list(islice(pairs, n_texts))
    if not found:
        raise InvalidVectorsError(
            f"{index.name}: expected documents with texts, got none; the prefix of documents "
            "cannot be checked without their texts"
        )
    return np.stack([vector for vector, _ in found]), [text for _, text in found]


def _pairs(index: LiveIndex, n_texts: int) -> Generator[tuple[Vectors, str], None, None]:
    blocks = read_blocks(index.source, name=index.name, batch_size=n_texts)
    for keys, vectors in islice(blocks, MOST_BLOCKS):
        texts = index.texts(keys)
        yield from ((vectors[row], texts[key]) for row, key in enumerate(keys) if key in texts)
