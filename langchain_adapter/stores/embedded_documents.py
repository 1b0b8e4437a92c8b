"""Documents by id of the stores that run in this process: DuckDB, sqlite-vec, Milvus Lite."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import Document

Options = Mapping[str, Any]
"""Options of the store's search by vector, such as `filter`."""


def of_duckdb(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the table; none if there are options, which may be filters."""
    from duckdb import ColumnExpression, ConstantExpression

    if options:
        return []
    names = store._id_key, store._text_key, "metadata"
    key, *others = map(ColumnExpression, names)
    cursor = store._connection.cursor()
    among = cursor.table(store._table_name).filter(key.isin(*map(ConstantExpression, ids)))
    found = among.select(key, *others).fetchall()
    return [Document(text or "", id=key, metadata=_loaded(held)) for key, text, held in found]


def of_sqlite_vec(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the table; the store ignores options, and has no filters."""
    rows = json.dumps([int(key) for key in ids if key.isdecimal()])
    query = (
        f"SELECT rowid, text, metadata FROM {store._table} "  # noqa: S608, as the store does
        "WHERE rowid IN (SELECT value FROM json_each(?))"
    )
    found = store._connection.execute(query, (rows,))
    return [Document(row[1] or "", id=str(row[0]), metadata=_loaded(row[2])) for row in found]


def of_milvus(store: Any, ids: Sequence[str], options: Options) -> list[Document]:
    """Return the documents of the collection that the expression `expr` admits."""
    numbers = store.auto_id
    keys = [int(key) for key in ids if key.isdecimal()] if numbers else list(ids)
    among = f"{store._primary_field} in {json.dumps(keys, ensure_ascii=False)}"
    admits = options.get("expr")
    found = store.client.query(
        store.collection_name, filter=f"({admits}) and {among}" if admits else among
    )
    return [store._parse_document(dict(row)) for row in found]


def _loaded(metadata: Any) -> dict[str, Any]:
    return dict(json.loads(metadata) or {}) if metadata else {}
