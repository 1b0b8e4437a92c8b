"""The number of nodes that a retriever returns, under LlamaIndex's name."""

from query_adapters.fusion.serving import checked_top_k


class HasTopK:
    """A class with `similarity_top_k`, which is checked when it is set."""

    _similarity_top_k: int

    @property
    def similarity_top_k(self) -> int:
        """Number of nodes to retrieve, at least 1."""
        return self._similarity_top_k

    @similarity_top_k.setter
    def similarity_top_k(self, similarity_top_k: int) -> None:
        self._similarity_top_k = checked_top_k(similarity_top_k)
