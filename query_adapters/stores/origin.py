"""Check whether stored vectors were made by a model, with its prefix."""

import warnings
from collections.abc import Mapping

import numpy as np

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.prefixes import Prefixes, preset_of
from query_adapters.embedders.prepared import prefixes_of
from query_adapters.embedders.roles import missing_prefix
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    QueryAdaptersWarning,
)
from query_adapters.stores.prefix_check import (
    Encode,
    PrefixCheck,
    compared,
    cosines_with,
    ways_of,
)
from query_adapters.stores.stored import StoredVectors
from query_adapters.typing import Vectors

AGREEMENT = 0.99  # cosine; float16 and 8-bit quantization differ by less
PROBES = 3  # documents embedded for the check
EXACT = 0.9999  # cosine; with another prefix it is lower


def check_origin(
    stored: StoredVectors,
    texts: Mapping[str, str],
    embedder: TextEmbedder,
    *,
    name: str,
    encode: Encode | None = None,
) -> None:
    """Check that the model's vectors of the texts equal the stored ones, by their median cosine.

    The median tolerates one document whose text was changed later. Cosine tolerates stores that
    normalize or round vectors. Each text is embedded once, bypassing every cache; if its vector is
    not the stored one, and another prefix may be why, once more with each prefix.

    Args:
        stored: The vectors.
        texts: Texts of some stored documents by id; without any, the check is skipped,
            with a warning at the line that called `from_index` or `from_vectorstore`.
        embedder: The model.
        name: Name of the store in messages.
        encode: How the store changes the vectors that it gets; None if it does not.

    Raises:
        AdapterMismatchError: If the vectors were made by another model, or with another prefix.
        DimensionMismatchError: If they have another length than the model's.
    """
    if not texts:
        warnings.warn(
            f"{name}: not checked against {embedder.model_name}, because it returns no texts; make "
            "sure that this model built the index, and pass check_model=False",
            QueryAdaptersWarning,
            stacklevel=6,
        )
        return
    written = list(texts.values())
    vectors = embedder.embed_documents(written)
    rows = stored.vectors[[stored.row_of[key] for key in texts]]
    _check_dim(rows, vectors, embedder, name=name, encode=encode)
    cosine = float(np.median(cosines_with(rows, vectors, embedder, encode)))
    if cosine < EXACT and (cosine < AGREEMENT or _has_prefixes(embedder)):
        ways = ways_of(embedder)
        found = compared(rows, written, embedder, ways, encode=encode, known=vectors)
        _check_prefix(found, name=name)
    if cosine >= EXACT and preset_of(embedder.model_name) is not None:
        _warn_of_missing(missing_prefix(embedder, written, vectors), name=name)
    if not cosine >= AGREEMENT:
        raise AdapterMismatchError(
            f"{name}: these vectors were not made by {embedder.model_name}: expected a cosine of "
            f"at least {AGREEMENT} between stored and fresh vectors of {len(texts)} documents, "
            f"got {cosine:.4f}; give the model that built the index, or check_model=False if "
            "documents were embedded from another text than the one stored"
        )


def _warn_of_missing(note: str | None, *, name: str) -> None:
    if note is not None:
        warnings.warn(
            f"{name}: {note}. This index was made without one: embed its documents again, if the "
            "prefix goes before them, or go on without it",
            QueryAdaptersWarning,
            stacklevel=7,
        )


def _has_prefixes(embedder: TextEmbedder) -> bool:
    return prefixes_of(embedder) != Prefixes() or preset_of(embedder.model_name) is not None


def _check_prefix(found: PrefixCheck, *, name: str) -> None:
    if found.found is not None and not found.is_right:
        raise AdapterMismatchError(f"{name}: {found}; or pass check_model=False")


def _check_dim(
    rows: Vectors, vectors: Vectors, embedder: TextEmbedder, *, name: str, encode: Encode | None
) -> None:
    """Check the length; stored vectors that are the beginning of the model's are named as such."""
    if vectors.shape[1] == rows.shape[1]:
        return
    remedy = "give the model that built the index"
    if vectors.shape[1] > rows.shape[1]:
        cosine = float(np.median(cosines_with(rows, vectors, embedder, encode)))
        if cosine >= AGREEMENT:
            remedy = (
                "they are the model's shortened vectors: give it "
                f"dimensions={rows.shape[1]}, as the index has"
            )
    raise DimensionMismatchError(
        f"{name}: stored vectors, against those of {embedder.model_name}",
        expected=vectors.shape[1],
        actual=rows.shape[1],
        remedy=remedy,
    )
