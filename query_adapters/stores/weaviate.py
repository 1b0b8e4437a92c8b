"""Read vectors from a collection of Weaviate."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import UUID

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores.source import RawBlock, Record, batches, texts_of
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {
    "cosine": "cosine",
    "dot": "dot",
    "l2-squared": "euclidean",
}
MOST = 1_000  # objects of one page; a server returns 10,000 at most, by default


@dataclass(frozen=True, kw_only=True)
class WeaviateSource:
    """The objects of a collection, read in pages in the order of their ids, which are UUIDs.

    Args:
        collection: The client's `Collection`; of one with tenants, that `.with_tenant(name)`.
        text_key: The property of texts.
        vector_name: The name of the vectors, where objects have several.
    """

    collection: Any
    text_key: str = "text"
    vector_name: str = "default"

    @property
    def similarity(self) -> Similarity | None:
        """What the vectors' index ranks by; None before there is a collection."""
        if not self.collection.exists():
            return None
        config = self.collection.config.get()
        named = (config.vector_config or {}).get(self.vector_name)
        index = config.vector_index_config if named is None else named.vector_index_config
        metric = getattr(index, "distance_metric", None)
        return SIMILARITIES.get(str(getattr(metric, "value", metric)))

    def count(self) -> int:
        """Return the number of objects."""
        if not self.collection.exists():
            return 0
        return int(self.collection.aggregate.over_all(total_count=True).total_count or 0)

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows, at most 1,000 a block; objects without a vector have None."""
        size = min(batch_size, MOST)
        if not self.collection.exists():
            return
        what = {"include_vector": True, "return_properties": False}
        for page in self._pages(size, what) if ids is None else self._by_id(ids, size, what):
            vectors = [found.vector.get(self.vector_name) for found in page]
            yield [str(found.uuid) for found in page], vectors

    def records(self, ids: Sequence[str], admits: Any = None) -> dict[str, Record]:
        """Return texts and properties by id, of the objects that a filter of the client admits."""
        found: dict[str, Record] = {}
        pages = self._by_id(ids, MOST, {}, admits) if self.collection.exists() else ()
        for entry in chain.from_iterable(pages):
            held = {key: value for key, value in entry.properties.items() if value is not None}
            found[str(entry.uuid)] = Record(held.pop(self.text_key, ""), held)
        return found

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; objects without a text are left out."""
        return texts_of(self.records(ids))

    def _pages(self, size: int, what: dict[str, Any]) -> Iterator[list[Any]]:
        after = None
        while page := self._fetch(limit=size, after=after, **what):
            if page[-1].uuid == after:  # it would never end
                raise self._unreadable()
            yield page
            after = page[-1].uuid

    def _by_id(
        self, ids: Sequence[str], size: int, what: dict[str, Any], admits: Any = None
    ) -> Iterator[list[Any]]:
        from weaviate.classes.query import Filter

        for keys in batches([key for key in ids if _is_uuid(key)], size):
            among = Filter.by_id().contains_any(keys)
            both = among if admits is None else among & admits
            yield self._fetch(filters=both, limit=len(keys), **what)

    def _unreadable(self) -> UnreadableStoreError:
        return UnreadableStoreError(
            f"Weaviate collection {self.collection.name!r}, whose server repeats a page",
            expected="objects after the last one of a page",
            remedy="pass the vectors as blocks of (ids, vectors)",
        )

    def _fetch(self, **options: Any) -> list[Any]:
        return list(self.collection.query.fetch_objects(**options).objects)


def _is_uuid(key: str) -> bool:
    """Return whether an id is a UUID as the server writes it."""
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False
