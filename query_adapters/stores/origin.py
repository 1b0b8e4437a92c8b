"""Check whether stored vectors were made by a model."""

import warnings
from collections.abc import Mapping

import numpy as np

from query_adapters.arrays import unit
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    QueryAdaptersWarning,
)
from query_adapters.stores.stored import StoredVectors

PROBES = 3  # documents embedded for the check
AGREEMENT = 0.99  # cosine; float16 and 8-bit quantization differ by less


def check_origin(
    stored: StoredVectors, texts: Mapping[str, str], embedder: TextEmbedder, *, name: str
) -> None:
    """Check that the model's vectors of the texts equal the stored ones, by their median cosine.

    The median tolerates one document whose text was changed later. Cosine tolerates stores that
    normalize or round vectors. Each text is embedded once, bypassing every cache.

    Args:
        stored: The vectors.
        texts: Texts of some stored documents by id; without any, the check is skipped,
            with a warning at the line that called `from_index` or `from_vectorstore`.
        embedder: The model.
        name: Name of the store in messages.

    Raises:
        AdapterMismatchError: If the vectors were made by another model.
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
    vectors = embedder.embed_documents(list(texts.values()))
    if vectors.shape[1] != stored.dim:
        raise DimensionMismatchError(
            f"{name}: stored vectors, against those of {embedder.model_name}",
            expected=vectors.shape[1],
            actual=stored.dim,
            remedy="give the model that built the index",
        )
    rows = [stored.row_of[key] for key in texts]
    cosine = float(np.median((unit(vectors) * unit(stored.vectors[rows])).sum(axis=1)))
    if not cosine >= AGREEMENT:  # also true if the cosine is NaN
        raise AdapterMismatchError(
            f"{name}: these vectors were not made by {embedder.model_name}: expected a cosine of "
            f"at least {AGREEMENT} between stored and fresh vectors of {len(texts)} documents, "
            f"got {cosine:.4f}; give the model that built the index, or check_model=False if "
            "documents were embedded from another text than the one stored"
        )
