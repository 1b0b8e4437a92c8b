"""Read stored vectors back from vector stores; a store's package is imported when it is read."""

from query_adapters.stores.blocks import read_blocks
from query_adapters.stores.live import LiveIndex
from query_adapters.stores.reader import StoreReader
from query_adapters.stores.source import (
    Blocks,
    BlockSource,
    MappingSource,
    RawBlock,
    Record,
    RecordSource,
    TextSource,
    VectorSource,
)
from query_adapters.stores.stored import StoredVectors, gather

__all__ = [
    "BlockSource",
    "Blocks",
    "LiveIndex",
    "MappingSource",
    "RawBlock",
    "Record",
    "RecordSource",
    "StoreReader",
    "StoredVectors",
    "TextSource",
    "VectorSource",
    "gather",
    "read_blocks",
]
