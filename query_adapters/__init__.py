"""Learn small maps on query embeddings; documents and index stay as they are."""

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.adapters.storage import (
    AdapterRecord,
    SavedAdapter,
    load_adapter,
    read_adapter,
    save_adapter,
)
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, embed_dataset
from query_adapters.embedders import TextEmbedder, resolve_embedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.evaluation import Evaluation, evaluate_run, evaluate_vectors

__all__ = [
    "AdapterRecord",
    "EmbeddedDataset",
    "EmbeddingCache",
    "Evaluation",
    "LinearAdapter",
    "QueryAdapter",
    "RetrievalDataset",
    "SavedAdapter",
    "TextEmbedder",
    "embed_dataset",
    "evaluate_run",
    "evaluate_vectors",
    "load_adapter",
    "read_adapter",
    "resolve_embedder",
    "save_adapter",
]
