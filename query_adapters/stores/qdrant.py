"""Vectors out of a Qdrant collection."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from query_adapters.stores.source import RawBlock, batches
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {"Cosine": "cosine", "Dot": "dot", "Euclid": "euclidean"}


@dataclass(frozen=True)
class QdrantSource:
    """A collection of a Qdrant client, in this process or behind a server.

    Where it ranks by cosine, Qdrant keeps the vectors at length 1.

    Args:
        client: The `qdrant_client.QdrantClient`.
        collection: Name of the collection.
        vector_name: Which of a point's vectors; "" for the one without a name.
    """

    client: Any
    collection: str
    vector_name: str = ""

    @property
    def similarity(self) -> Similarity | None:
        """What the collection ranks by; None before there is one."""
        if not self.client.collection_exists(self.collection):
            return None
        vectors = self.client.get_collection(self.collection).config.params.vectors
        params = vectors.get(self.vector_name) if isinstance(vectors, dict) else vectors
        return None if params is None else SIMILARITIES.get(params.distance.value)

    def count(self) -> int:
        """Return the number of points."""
        if not self.client.collection_exists(self.collection):
            return 0
        return int(self.client.count(self.collection, exact=True).count)

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield points; ids that Qdrant cannot hold are left out."""
        if self.client.collection_exists(self.collection):
            yield from self._scroll(batch_size) if ids is None else self._retrieve(ids, batch_size)

    def _scroll(self, batch_size: int) -> Generator[RawBlock, None, None]:
        offset = None
        while True:
            points, offset = self.client.scroll(
                self.collection, limit=batch_size, offset=offset, **self._what
            )
            yield [str(point.id) for point in points], [self._vector(point) for point in points]
            if offset is None:
                return

    def _retrieve(self, ids: Sequence[str], batch_size: int) -> Generator[RawBlock, None, None]:
        asked = {point_id(key): key for key in ids}
        asked.pop(None, None)
        for batch in batches(list(asked.values()), batch_size):
            keys = [int(key) if key.isdecimal() else key for key in batch]
            points = self.client.retrieve(self.collection, ids=keys, **self._what)
            found = [asked[point_id(str(point.id))] for point in points]
            yield found, [self._vector(point) for point in points]

    @property
    def _what(self) -> dict[str, Any]:
        return {"with_payload": False, "with_vectors": [self.vector_name]}

    def _vector(self, point: Any) -> Any:
        vector = point.vector
        return vector.get(self.vector_name) if isinstance(vector, dict) else vector


def point_id(key: str) -> int | UUID | None:
    """Return the id as Qdrant compares it, a number or a UUID; None if it is neither."""
    if key.isdecimal():
        return int(key)
    try:
        return UUID(key)
    except ValueError:
        return None
