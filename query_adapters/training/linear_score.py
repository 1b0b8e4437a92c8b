"""How a store's similarity becomes a score that is linear in the mapped question."""

from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import LinearAdapter
from query_adapters.arrays import unit
from query_adapters.typing import Similarity, Vectors

ONE_LENGTH = 1e-3  # relative: half-precision stores round


@dataclass(frozen=True)
class Geometry:
    """Scores `zᵢ·dₖ + oₖ` that rank the documents of a question as the similarity does.

    - cosine: unit vectors, o = 0. The length of z does not matter.
    - dot: documents over their typical length, o = 0. The length of z does not matter.
    - euclidean: both over the documents' typical length, o = -‖d‖²/2, as
      -‖z - d‖²/2 = z·d - ‖d‖²/2 - ‖z‖²/2. Here the length of z matters, and an adapter must not
      reset it.

    Over documents of one length the three rank alike, and cosine stands for them all.

    Attributes:
        similarity: What the store ranks by.
        length: Typical (root mean square) length of a document; 1 for cosine.
    """

    similarity: Similarity
    length: float = 1.0

    @classmethod
    def of(cls, documents: Vectors, similarity: Similarity) -> "Geometry":
        """Return the geometry of a store that holds these documents."""
        if similarity == "cosine":
            return cls(similarity)
        lengths = np.linalg.norm(documents, axis=1).astype(np.float64)
        typical = float(np.sqrt((lengths**2).mean())) or 1.0
        if np.ptp(lengths) < ONE_LENGTH * typical:
            return cls("cosine")
        return cls(similarity, typical)

    @property
    def keeps_length(self) -> bool:
        """Whether an adapted vector may be given the length of its query."""
        return self.similarity != "euclidean"

    def documents(self, documents: Vectors) -> Vectors:
        """Return d, `(n_documents, dim)`."""
        if self.similarity == "cosine":
            return unit(documents)
        return documents / np.float32(self.length)

    def offsets(self, scaled: Vectors) -> Vectors:
        """Return o of documents that `documents` scaled, `(n_documents,)`."""
        if self.keeps_length:
            return np.zeros(len(scaled), dtype=np.float32)
        offsets: Vectors = np.float32(-0.5) * np.einsum("ij,ij->i", scaled, scaled)
        return offsets

    def lengths(self, queries: Vectors) -> Vectors:
        """Return what a question of length 1 is multiplied by before the map, `(n_queries, 1)`."""
        if self.keeps_length:
            return np.ones((len(queries), 1), dtype=np.float32)
        lengths: Vectors = np.linalg.norm(queries, axis=1, keepdims=True) / np.float32(self.length)
        return lengths

    def adapter(self, weight: Vectors, bias: Vectors, queries: Vectors) -> LinearAdapter:
        """Return the adapter for questions as long as these whose map in here is W and b."""
        served = bias * self._unit_of_bias(queries) if bias.any() else None
        return LinearAdapter(weight, served, keeps_length=self.keeps_length)

    def bias(self, adapter: LinearAdapter, queries: Vectors) -> Vectors | None:
        """Return b in here of an adapter for questions as long as these."""
        return None if adapter.bias is None else adapter.bias / self._unit_of_bias(queries)

    def _unit_of_bias(self, queries: Vectors) -> np.float32:
        if self.keeps_length:
            return np.float32(np.linalg.norm(queries, axis=1).mean())
        return np.float32(self.length)


COSINE = Geometry("cosine")
