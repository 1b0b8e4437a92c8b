"""Read vectors from a Chroma collection."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from query_adapters.stores.source import RawBlock, batches
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {"cosine": "cosine", "ip": "dot", "l2": "euclidean"}


@dataclass(frozen=True)
class ChromaSource:
    """A collection of a chromadb client, local or remote.

    Args:
        collection: The `chromadb.Collection`.
    """

    collection: Any

    @property
    def similarity(self) -> Similarity | None:
        """What its index ranks by; Chroma's default is Euclidean distance."""
        settings = (
            self.collection.configuration_json
        )  # creates no embedding function, unlike the other method
        index = settings.get("hnsw") or settings.get("spann") or {}
        return SIMILARITIES.get(index.get("space", "l2"))

    def count(self) -> int:
        """Return the number of stored vectors."""
        return int(self.collection.count())

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows by id, because pages by offset shift when rows are written in between."""
        keys = self.collection.get(include=[])["ids"] if ids is None else ids
        for batch in batches(keys, batch_size):
            found = self.collection.get(ids=list(batch), include=["embeddings"])
            yield found["ids"], found["embeddings"]

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; rows without a text are left out."""
        if not ids:
            return {}
        found = self.collection.get(ids=list(ids), include=["documents"])
        return {
            key: text for key, text in zip(found["ids"], found["documents"], strict=True) if text
        }
