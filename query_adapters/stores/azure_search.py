"""Read vectors from an index of Azure AI Search."""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores.source import RawBlock, Record, batches, loaded, texts_of
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {
    "cosine": "cosine",
    "dotProduct": "dot",
    "euclidean": "euclidean",
}
MOST = 1_000  # documents that the service returns at once
SKIPPED = 100_000  # documents that a search may skip
REFUSED = 400
HIDDEN = {401, 403, 404}  # what a key for queries, or a missing index, is answered
KEY = re.compile(r"[\w=-]+", re.ASCII)  # what the service allows as a key
WAYS_OUT = (
    "pass the vectors as blocks of (ids, vectors), or leave the store out, and documents are "
    "embedded again"
)


@dataclass(frozen=True, kw_only=True)
class AzureSearchSource:
    """An index, read in the order of its key, or by skipping where the key is not sortable.

    Args:
        client: The `azure.search.documents.SearchClient`.
        key_field: Its key, filterable.
        vector_field: Its field of vectors, retrievable.
        text_field: Its field of texts.
        metadata_field: Its field of metadata as JSON.
    """

    client: Any
    key_field: str
    vector_field: str
    text_field: str
    metadata_field: str

    @property
    def similarity(self) -> Similarity | None:
        """What the field's profile ranks by; None if the key may not read the index's definition.

        The service keeps the definition behind a key of administrators.
        """
        search = self._definition and self._definition.vector_search
        if not search:
            return None
        fields = {field.name: field.vector_search_profile_name for field in self._definition.fields}
        profile = fields.get(self.vector_field)
        names = {p.name: p.algorithm_configuration_name for p in search.profiles or ()}
        algorithms = {a.name: a.parameters for a in search.algorithms or ()}
        parameters = algorithms.get(names.get(profile))
        return SIMILARITIES.get(str(getattr(parameters, "metric", None) or "cosine"))

    def count(self) -> int:
        """Return the number of documents, which lags behind writes by some seconds."""
        return int(self.client.get_document_count())

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows, at most 1,000 a block.

        Raises:
            UnreadableStoreError: If the index does not return its vectors, or holds over 100,000
                documents and its key is not sortable.
        """
        size = min(batch_size, MOST)
        if ids is not None:
            for keys in batches([key for key in ids if KEY.fullmatch(key)], size):
                yield self._block(self._among(keys, self.vector_field))
        elif self.count():
            first = self._page(top=size, order_by=f"{self.key_field} asc")
            yield from self._skipping(size) if first is None else self._in_order(first, size)

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return texts and metadata by id."""
        found: dict[str, Record] = {}
        for keys in batches([key for key in ids if KEY.fullmatch(key)], MOST):
            for row in self._among(keys, self.text_field, self.metadata_field):
                metadata = loaded(row.get(self.metadata_field))
                found[row[self.key_field]] = Record(row.get(self.text_field) or "", metadata)
        return found

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; documents without a text are left out."""
        return texts_of(self.records(ids))

    def _in_order(self, page: list[Any], size: int) -> Generator[RawBlock, None, None]:
        while page:
            yield self._block(page)
            after = f"{self.key_field} gt '{page[-1][self.key_field]}'"
            following = self._page(top=size, order_by=f"{self.key_field} asc", filter=after)
            if following is None:
                raise self._unreadable("a key that is filterable, as it is sortable")
            known = {row[self.key_field] for row in page}
            if any(row[self.key_field] in known for row in following):  # it would never end
                raise self._unreadable("a service that returns only keys after the last one")
            page = following

    def _skipping(self, size: int) -> Generator[RawBlock, None, None]:
        if self.count() > SKIPPED:
            raise self._unreadable(f"a sortable key, or at most {SKIPPED:,} documents")
        known: set[str] = set()
        for skip in range(0, SKIPPED, size):
            page = self._page(top=size, skip=skip, session_id="reading")
            if page is None:
                raise self._unreadable("a retrievable field of vectors")
            if not page:
                return
            keys = {row[self.key_field] for row in page}
            if len(keys) < len(page) or keys & known:  # so another one was left out
                raise self._unreadable("an index that nothing writes to while it is read")
            known |= keys
            yield self._block(page)

    def _page(self, **options: Any) -> list[Any] | None:
        """Return a page of all documents; None if the service refuses the question."""
        from azure.core.exceptions import HttpResponseError

        what = [self.key_field, self.vector_field]
        try:
            return list(self.client.search(search_text="*", select=what, **options))
        except HttpResponseError as error:
            if error.status_code != REFUSED:
                raise
            return None

    def _among(self, keys: Sequence[str], *fields: str) -> list[Any]:
        if not keys:
            return []
        admits = f"search.in({self.key_field}, '{'|'.join(keys)}', '|')"
        what = [self.key_field, *fields]
        return list(self.client.search(search_text="*", select=what, filter=admits, top=len(keys)))

    def _block(self, rows: Sequence[Mapping[str, Any]]) -> RawBlock:
        return [row[self.key_field] for row in rows], [row[self.vector_field] for row in rows]

    def _unreadable(self, expected: str) -> UnreadableStoreError:
        name = f"Azure AI Search index {self.client._index_name!r}, field {self.vector_field!r}"
        return UnreadableStoreError(name, expected=expected, remedy=WAYS_OUT)

    @cached_property
    def _definition(self) -> Any:
        from azure.core.exceptions import HttpResponseError
        from azure.search.documents.indexes import SearchIndexClient

        try:
            with SearchIndexClient(self.client._endpoint, self.client._credential) as client:
                return client.get_index(self.client._index_name)
        except HttpResponseError as error:
            if error.status_code not in HIDDEN:
                raise
            return None
