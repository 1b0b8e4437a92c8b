"""Write each similarity as a score that is linear in the mapped query, for training."""

from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import LinearAdapter
from query_adapters.arrays import unit
from query_adapters.typing import Similarity, Vectors

EQUAL_LENGTHS = 1e-3  # relative range of lengths that counts as equal: half precision rounds


@dataclass(frozen=True)
class LinearScore:
    """Scores `zᵢ·dₖ + oₖ` that rank the documents of a query as the similarity does.

    z is the mapped query, d the scaled document and o an offset of the document:

    - cosine: d has length 1, o = 0. The length of z does not change the ranking.
    - dot: d is the document over the typical document length, o = 0. The length of z does not
      change the ranking.
    - euclidean: queries and documents over the typical document length, o = -‖d‖²/2, because
      -‖z - d‖²/2 = z·d - ‖d‖²/2 - ‖z‖²/2. The length of z changes the ranking, so the adapter
      must not rescale its output.

    If all documents have the same length, the three rankings are equal and cosine is used.

    Attributes:
        similarity: Similarity that the store ranks by.
        length: Typical (root mean square) document length; 1 for cosine.
    """

    similarity: Similarity
    length: float = 1.0

    @classmethod
    def of(cls, documents: Vectors, similarity: Similarity) -> "LinearScore":
        """Return the score for a store that holds these documents, `(n_documents, dim)`."""
        if similarity == "cosine":
            return cls(similarity)
        lengths = np.linalg.norm(documents, axis=1).astype(np.float64)
        typical = float(np.sqrt((lengths**2).mean())) or 1.0
        if np.ptp(lengths) < EQUAL_LENGTHS * typical:
            return cls("cosine")
        return cls(similarity, typical)

    @property
    def keeps_length(self) -> bool:
        """Whether the adapter may rescale its output to the length of its input."""
        return self.similarity != "euclidean"

    def scaled_documents(self, documents: Vectors) -> Vectors:
        """Return d, `(n_documents, dim)`."""
        if self.similarity == "cosine":
            return unit(documents)
        return documents / np.float32(self.length)

    def offsets(self, scaled: Vectors) -> Vectors:
        """Return o, `(n_documents,)`, for the result of `scaled_documents`."""
        if self.keeps_length:
            return np.zeros(len(scaled), dtype=np.float32)
        offsets: Vectors = np.float32(-0.5) * np.einsum("ij,ij->i", scaled, scaled)
        return offsets

    def query_lengths(self, queries: Vectors) -> Vectors:
        """Return the factors that scale unit queries before the map, `(n_queries, 1)`."""
        if self.keeps_length:
            return np.ones((len(queries), 1), dtype=np.float32)
        lengths: Vectors = np.linalg.norm(queries, axis=1, keepdims=True) / np.float32(self.length)
        return lengths

    def scaled_queries(self, queries: Vectors) -> Vectors:
        """Return the queries as the map takes them, `(n_queries, dim)`."""
        scaled: Vectors = self.query_lengths(queries) * unit(queries)
        return scaled

    def adapter(self, weight: Vectors, bias: Vectors, queries: Vectors) -> LinearAdapter:
        """Return the adapter for a map with W and b on scaled queries.

        Args:
            weight: W, `(dim, dim)`.
            bias: b, `(dim,)`.
            queries: Unscaled queries; their mean length scales the bias, `(n_queries, dim)`.
        """
        scaled = bias * self._bias_scale(queries) if bias.any() else None
        return LinearAdapter(weight, scaled, keeps_length=self.keeps_length)

    def bias(self, adapter: LinearAdapter, queries: Vectors) -> Vectors | None:
        """Return b, the adapter's bias on scaled queries, `(dim,)`; None if it has no bias."""
        return None if adapter.bias is None else adapter.bias / self._bias_scale(queries)

    def _bias_scale(self, queries: Vectors) -> np.float32:
        if self.keeps_length:
            return np.float32(np.linalg.norm(queries, axis=1).mean())
        return np.float32(self.length)


COSINE = LinearScore("cosine")
