"""Read stored vectors back from vector stores; a store's package is imported when it is read."""

from query_adapters.stores.blocks import read_blocks
from query_adapters.stores.index_check import check_prefix
from query_adapters.stores.live import LiveIndex
from query_adapters.stores.prefix_check import PrefixCheck
from query_adapters.stores.reader import StoreReader
from query_adapters.stores.rescoring import rescored
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
from query_adapters.stores.stored_form import RestoredSource, StoredForm

__all__ = [
    "BlockSource",
    "Blocks",
    "LiveIndex",
    "MappingSource",
    "PrefixCheck",
    "RawBlock",
    "Record",
    "RecordSource",
    "RestoredSource",
    "StoreReader",
    "StoredForm",
    "StoredVectors",
    "TextSource",
    "VectorSource",
    "check_prefix",
    "gather",
    "read_blocks",
    "rescored",
]
