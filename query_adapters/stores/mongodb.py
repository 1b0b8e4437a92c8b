"""Read vectors from a collection of MongoDB."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores.source import RawBlock, Record, batches, texts_of
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {
    "cosine": "cosine",
    "dotProduct": "dot",
    "euclidean": "euclidean",
}
VECTOR_SUBTYPE = 9  # of BSON binary data


@dataclass(frozen=True, kw_only=True)
class MongoDBSource:
    """The documents of a collection that have a vector, read in one pass.

    Args:
        collection: The `pymongo.collection.Collection`.
        index: Name of the vector search index.
        vector_field: The field of vectors: arrays, or BSON's binary vectors.
        text_field: The field of texts.
        metadata_field: The field of metadata; None if they stand beside the text.
        id_field: The field of ids.
    """

    collection: Any
    index: str
    vector_field: str = "embedding"
    text_field: str = "text"
    metadata_field: str | None = "metadata"
    id_field: str = "_id"

    @property
    def similarity(self) -> Similarity | None:
        """What the index ranks by; None before there is one, or if the server lists none.

        Servers without Atlas Search, and users without the right to, list no search indexes.
        """
        from pymongo.errors import OperationFailure

        try:
            found = list(self.collection.list_search_indexes(self.index))
        except OperationFailure:
            return None
        definition = found[0].get("latestDefinition") or {} if found else {}
        return SIMILARITIES.get(self._declared(definition).get("similarity", ""))

    def count(self) -> int:
        """Return the number of documents with a vector."""
        return int(self.collection.count_documents(self._with_vector))

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows in one pass, or those of the ids.

        Raises:
            UnreadableStoreError: If the field holds bits.
        """
        if ids is not None:
            for keys in batches(ids, batch_size):
                yield self._block(list(self._find(self._among(keys))))
            return
        found = self._find({}).sort("_id", 1).batch_size(batch_size)
        with closing(found) as cursor:
            while rows := list(islice(cursor, batch_size)):
                yield self._block(rows)

    def records(
        self, ids: Sequence[str], admits: Mapping[str, Any] | None = None
    ) -> dict[str, Record]:
        """Return texts and metadata by id, of the documents that a query admits."""
        wanted = {"$and": [self._among(ids), admits or {}]}
        found = self.collection.find(wanted, {self.vector_field: False})
        return dict(self._record(row) for row in found)

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; documents without a text are left out."""
        return texts_of(self.records(ids))

    def _record(self, row: dict[str, Any]) -> tuple[str, Record]:
        key, text = str(row.pop(self.id_field)), row.pop(self.text_field, None)
        metadata = row if self.metadata_field is None else row.get(self.metadata_field) or {}
        return key, Record(text or "", metadata)

    def _find(self, among: Mapping[str, Any]) -> Any:
        wanted = {self.id_field: True, self.vector_field: True}
        return self.collection.find({**among, **self._with_vector}, wanted)

    def _block(self, rows: Sequence[Mapping[str, Any]]) -> RawBlock:
        ids = [str(row[self.id_field]) for row in rows]
        return ids, [self._numbers(row[self.vector_field]) for row in rows]

    def _numbers(self, vector: Any) -> Any:
        """Return the numbers of an array or of a binary vector."""
        if getattr(vector, "subtype", None) != VECTOR_SUBTYPE:
            return vector
        held = vector.as_vector()
        if held.dtype.name == "PACKED_BIT":
            raise UnreadableStoreError(
                f"MongoDB collection {self.collection.name!r}, field {self.vector_field!r} of bits",
                expected="a field of float or int8 vectors",
                remedy="pass the float vectors as blocks of (ids, vectors), or embed the labelled "
                "documents again",
            )
        return held.data

    def _among(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return the condition of ids, which are stored as text, or as an ObjectId if they can."""
        from bson import ObjectId

        objects = [ObjectId(key) for key in ids if ObjectId.is_valid(key)]
        return {self.id_field: {"$in": [*ids, *objects]}}

    @property
    def _with_vector(self) -> dict[str, Any]:
        return {self.vector_field: {"$ne": None}}

    def _declared(self, definition: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return how the index declares the field; indexes of 2023 declare it as a `knnVector`."""
        fields = definition.get("fields", ())
        declared = [field for field in fields if field.get("path") == self.vector_field]
        mapped = definition.get("mappings", {}).get("fields", {}).get(self.vector_field, {})
        several = mapped if isinstance(mapped, list) else [mapped]  # one for each type of the field
        return next((field for field in (*declared, *several) if "similarity" in field), {})
