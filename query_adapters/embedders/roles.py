"""Notice a model that should embed questions and documents differently, but does not."""

import numpy as np

from query_adapters.arrays import unit
from query_adapters.embedders.prefixes import preset_of
from query_adapters.embedders.protocol import TextEmbedder
from query_adapters.errors import DimensionMismatchError
from query_adapters.typing import Vectors

N_TEXTS = 3  # texts embedded in the other role
SAME = 0.9999  # cosine of two vectors of one text


def missing_prefix(embedder: TextEmbedder, texts: list[str], documents: Vectors) -> str | None:
    """Return a note on a model that needs a prefix before questions and was called without one.

    Three texts are embedded as questions and compared with their vectors as documents.

    Args:
        embedder: The model.
        texts: Some texts.
        documents: Their vectors as documents, `(n_texts, dim)`.

    Returns:
        The note; None if the roles differ, or the model's name is not known to need a prefix.

    Raises:
        DimensionMismatchError: If questions and documents have vectors of different lengths.
    """
    asked = unit(embedder.embed_queries(texts[:N_TEXTS]))
    if asked.shape[1] != documents.shape[1]:
        raise DimensionMismatchError(
            f"vectors of questions by {embedder.model_name}",
            expected=documents.shape[1],
            actual=asked.shape[1],
            remedy="the model must give one length; after a change, use another cache file",
        )
    cosine = float(np.median((asked * unit(documents[:N_TEXTS])).sum(axis=1)))
    preset = preset_of(embedder.model_name)
    if cosine < SAME or preset is None:
        return None
    before_documents = (
        f" and before documents, {preset.prefixes.document!r}" if preset.prefixes.document else ""
    )
    return (
        f"{embedder.model_name} gave questions and documents equal vectors, but models of the "
        f"family {preset.family} need a prefix before questions, {preset.prefixes.query!r}"
        f"{before_documents}: set it, then run again"
    )
