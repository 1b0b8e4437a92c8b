"""Vectors that a store holds already, read back in blocks; the stores' packages load lazily."""

from query_adapters.stores.blocks import read_blocks
from query_adapters.stores.live import LiveIndex
from query_adapters.stores.reader import StoreReader
from query_adapters.stores.source import Blocks, BlockSource, MappingSource, RawBlock, VectorSource
from query_adapters.stores.stored import StoredVectors, gather

__all__ = [
    "BlockSource",
    "Blocks",
    "LiveIndex",
    "MappingSource",
    "RawBlock",
    "StoreReader",
    "StoredVectors",
    "VectorSource",
    "gather",
    "read_blocks",
]
