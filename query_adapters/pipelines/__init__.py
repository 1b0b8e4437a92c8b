"""Embed, adapt, search and evaluate stored rows of any number, here or on Ray (extra: parquet).

The maps take batches of Arrow or numpy, so Ray Data's `map_batches` runs them on any source;
`map_parquet` runs them over Parquet files, on one machine or on a Ray cluster (extra: ray).
"""

from query_adapters._extras import require_extra

require_extra("parquet")

from query_adapters.pipelines.adapt import AdaptVectors
from query_adapters.pipelines.batch_map import BatchMap
from query_adapters.pipelines.embed import EmbedTexts
from query_adapters.pipelines.evaluate import EvaluateSystems
from query_adapters.pipelines.mapping import MappedParquet, map_parquet
from query_adapters.pipelines.parquet import ParquetRows
from query_adapters.pipelines.scores import evaluate_parquet
from query_adapters.pipelines.search import SearchDocuments
from query_adapters.pipelines.vectors import ParquetVectors

__all__ = [
    "AdaptVectors",
    "BatchMap",
    "EmbedTexts",
    "EvaluateSystems",
    "MappedParquet",
    "ParquetRows",
    "ParquetVectors",
    "SearchDocuments",
    "evaluate_parquet",
    "map_parquet",
]
