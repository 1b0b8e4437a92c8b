"""Documents of LangChain's vector stores by id, those alone that satisfy a filter.

`VectorStore.get_by_ids` takes no filter, and not every store returns the ids with the documents. A
store's package is imported when it is read.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from langchain_adapter.stores.readers import READERS
from query_adapters.errors import UnreadableStoreError
from query_adapters.registry import inherited_entry_of
from query_adapters.stores.source import Record, RecordSource

Options = Mapping[str, Any]
"""Options of the store's search by vector, such as `filter`."""


def _as_they_are(store: Any, k: int, options: Options) -> Options:
    return options


@dataclass(frozen=True, kw_only=True)
class Access:
    """How documents of a kind of store are read.

    Attributes:
        documents: Returns, from the store, ids and the options of the search, the documents that
            the store holds and the filter admits, with their ids.
        id_key: The metadata key of a document's id; None for `Document.id`.
        filters: Those options that restrict which documents may be returned, and that `documents`
            checks; None if each may, and none is checked.
        options: Returns, from the store, the number of documents and the user's options, those
            that a search by vector needs.
    """

    documents: Callable[[Any, Sequence[str], Options], list[Document]]
    id_key: str | None = None
    filters: Collection[str] | None = ("filter",)
    options: Callable[[Any, int, Options], Options] = _as_they_are


def access_to(store: VectorStore) -> Access:
    """Return how documents of the store are read; by `get_by_ids`, if its class is not listed."""
    return inherited_entry_of(type(store), ACCESS) or Access(documents=by_ids, filters=None)


def by_ids(store: VectorStore, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of any store; none if there are options, which may be filters.

    Raises:
        UnreadableStoreError: If the store does not return documents by id.
    """
    if options:
        return []
    source = _source_of(store)
    if isinstance(source, RecordSource):
        return _documents(source.records(ids))
    try:
        return store.get_by_ids(ids)
    except NotImplementedError as error:
        raise UnreadableStoreError(
            type(store).__name__,
            expected="a vector store that returns documents by id (`get_by_ids`)",
            remedy="add its Access to langchain_adapter.stores.ACCESS",
        ) from error


def _source_of(store: VectorStore) -> Any:
    reader = inherited_entry_of(type(store), READERS)
    return None if reader is None else reader(store)


def _documents(records: Mapping[str, Record]) -> list[Document]:
    found = records.items()
    return [Document(text, id=key, metadata=dict(held)) for key, (text, held) in found]


def of_in_memory(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the in-memory store, whose filter is a function of a document."""
    admits = options.get("filter")
    found: list[Document] = store.get_by_ids(ids)
    return [document for document in found if admits is None or admits(document)]


def of_faiss(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the FAISS store's docstore."""
    admits = options.get("filter")
    check = None if admits is None else store._create_filter_func(admits)
    found = [(key, store.docstore.search(key)) for key in ids]
    return [
        document.model_copy(update={"id": key})
        for key, document in found
        if isinstance(document, Document) and (check is None or check(document.metadata))
    ]


def all_of_faiss(store: Any, k: int, options: Options) -> Options:
    """Return the options with `fetch_k`: the filter is applied to so many nearest documents."""
    if options.get("filter") is None:
        return options
    return {"fetch_k": max(k, store.index.ntotal), **options}


def of_chroma(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the collection; `get_by_ids` fails on those without metadata."""
    found = store.get(
        ids=list(ids), where=options.get("filter"), where_document=options.get("where_document")
    )
    rows = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
    return [Document(text, id=key, metadata=held or {}) for key, text, held in rows if text]


def of_qdrant(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the collection; ids that Qdrant cannot hold are left out."""
    from qdrant_client import models

    from query_adapters.stores.qdrant import point_id

    numbers = [number for key in ids if (number := point_id(key)) is not None]
    keys: list[Any] = [number if isinstance(number, int) else str(number) for number in numbers]
    among = models.HasIdCondition(has_id=keys)
    admits = options.get("filter")
    both = models.Filter(must=[among] if admits is None else [among, admits])
    points, _ = store.client.scroll(store.collection_name, scroll_filter=both, limit=len(ids))
    place = store.collection_name, store.content_payload_key, store.metadata_payload_key
    return [store._document_from_point(point, *place) for point in points]


def of_lancedb(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the table; none if there are options, which may be filters."""
    from query_adapters.stores.lance import is_among

    if options:
        return []
    search = store.get_table().search().where(is_among(store._id_key, ids)).limit(len(ids))
    return [
        Document(row[store._text_key], id=row[store._id_key], metadata=row.get("metadata") or {})
        for row in search.to_list()
    ]


def of_pgvector(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the store's collection."""
    import sqlalchemy as sql

    from query_adapters.stores.postgres import synchronous

    rows, collections = store.EmbeddingStore, store.CollectionStore
    own = sql.select(collections.uuid).where(collections.name == store.collection_name)
    query = sql.select(rows.id, rows.document, rows.cmetadata).where(
        rows.id.in_(ids),
        rows.collection_id == own.scalar_subquery(),
        *_clauses_of_pgvector(store, options.get("filter")),
    )
    engine = store._engine or synchronous(store._async_engine)
    with engine.connect() as connection:
        found = connection.execute(query).all()
    return [Document(text or "", id=str(key), metadata=held or {}) for key, text, held in found]


def _clauses_of_pgvector(store: Any, admits: Any) -> list[Any]:
    """Return the conditions of a filter, as the store's own search makes them."""
    if not admits:
        return []
    if not store.use_jsonb:
        return list(store._create_filter_clause_json_deprecated(admits))
    clause = store._create_filter_clause(admits)
    return [] if clause is None else [clause]


def of_pgvectorstore(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the store's table, over a new connection: the store's are async."""
    import sqlalchemy as sql

    from query_adapters.stores.postgres import synchronous, table

    inner = getattr(store, "_PGVectorStore__vs", store)
    held = [*inner.metadata_columns]
    columns = [inner.id_column, inner.content_column, inner.metadata_json_column, *held]
    rows = table(inner.table_name, *filter(None, columns), schema=inner.schema_name)
    query = sql.select(rows).where(sql.cast(rows.c[inner.id_column], sql.Text).in_(ids))
    if options.get("filter"):
        clause, values = inner._create_filter_clause(options["filter"])
        query = query.where(sql.text(clause).bindparams(**values))
    with synchronous(inner.engine).connect() as connection:
        found = connection.execute(query).mappings().all()
    return [
        Document(
            row[inner.content_column] or "",
            id=str(row[inner.id_column]),
            metadata={**(row.get(inner.metadata_json_column) or {}), **{c: row[c] for c in held}},
        )
        for row in found
    ]


def of_sqlite_vec(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the table; the store ignores options, and has no filters."""
    return _documents(_source_of(store).records(ids))


def of_milvus(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the collection that the expression `expr` admits."""
    rows = _source_of(store).rows(ids, admits=options.get("expr"))
    return [store._parse_document(row) for row in rows]


def of_mongodb(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents that `pre_filter` admits; none if a pipeline filters them further."""
    if options.get("post_filter_pipeline"):
        return []
    return _documents(_source_of(store).records(ids, options.get("pre_filter")))


def of_weaviate(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the objects of the collection that `filters` admits, with their ids as metadata."""
    found = _documents(_source_of(store).records(ids, options.get("filters")))
    return [Document(d.page_content, metadata={**d.metadata, "uuid": d.id}) for d in found]


def with_uuids(store: Any, k: int, options: Options) -> Options:
    """Return the options with the one by which Weaviate returns ids as well."""
    return {"return_uuids": True, **options}


ACCESS: dict[str, Access] = {
    "langchain_chroma:Chroma": Access(documents=of_chroma, filters=("filter", "where_document")),
    "langchain_community.vectorstores:FAISS": Access(documents=of_faiss, options=all_of_faiss),
    "langchain_community.vectorstores:LanceDB": Access(documents=of_lancedb, filters=None),
    "langchain_community.vectorstores:SQLiteVec": Access(documents=of_sqlite_vec, filters=()),
    "langchain_core.vectorstores:InMemoryVectorStore": Access(documents=of_in_memory),
    "langchain_milvus:Milvus": Access(documents=of_milvus, id_key="pk", filters=("expr",)),
    "langchain_mongodb:MongoDBAtlasVectorSearch": Access(
        documents=of_mongodb, filters=("pre_filter", "post_filter_pipeline")
    ),
    "langchain_postgres:AsyncPGVectorStore": Access(documents=of_pgvectorstore),
    "langchain_postgres:PGVector": Access(documents=of_pgvector),
    "langchain_postgres:PGVectorStore": Access(documents=of_pgvectorstore),
    "langchain_qdrant:QdrantVectorStore": Access(documents=of_qdrant, id_key="_id"),
    "langchain_weaviate:WeaviateVectorStore": Access(
        documents=of_weaviate, id_key="uuid", filters=("filters",), options=with_uuids
    ),
}
"""Access by "package:Class", for subclasses as well. A store that is not listed is read by its
`get_by_ids`."""
