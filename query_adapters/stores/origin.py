"""Whether stored vectors are those of a model."""

import logging
from collections.abc import Mapping

import numpy as np

from query_adapters.arrays import unit
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import AdapterMismatchError, DimensionMismatchError
from query_adapters.stores.stored import StoredVectors

logger = logging.getLogger(__name__)

PROBES = 3  # documents that are embedded to find out
AGREEMENT = 0.99  # cosine; float16 and an 8-bit index round by less


def check_origin(
    stored: StoredVectors, texts: Mapping[str, str], embedder: TextEmbedder, *, name: str
) -> None:
    """Check that the model embeds the texts as they are stored, by their median cosine.

    The median lets one document pass whose text was changed later. Cosine lets stores pass that
    bring vectors to length 1, or round them. Each text is embedded once, past every cache.

    Args:
        stored: The vectors.
        texts: Texts of some of its documents, by id; without any, nothing can be checked.
        embedder: The model.
        name: What messages call the store.

    Raises:
        AdapterMismatchError: If the vectors are another model's.
        DimensionMismatchError: If they are not even of the model's length.
    """
    if not texts:
        logger.info("%s: not checked against the model, as it gives no texts back", name)
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
    if not cosine >= AGREEMENT:  # nor if the model gives NaN
        raise AdapterMismatchError(
            f"{name}: these vectors were not made by {embedder.model_name}: expected a cosine of "
            f"at least {AGREEMENT} between stored and fresh vectors of {len(texts)} documents, "
            f"got {cosine:.4f}; give the model that built the index, or check_model=False if "
            "documents were embedded from another text than the one stored"
        )
