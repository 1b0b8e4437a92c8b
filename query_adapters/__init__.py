"""Learn small maps on query embeddings; documents and index stay as they are."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOMES = (
    "adapters", "adapters.storage", "data.dataset", "data.embedded", "embedders",
    "embedders.cache", "evaluation",
)  # fmt: skip
_FOLDERS = ("adapters", "data", "embedders", "errors", "evaluation", "typing")

if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name):
        """Import the public names on first use: the command line handles signals before that."""
        if name in _FOLDERS:
            return import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            globals().update({key: getattr(module, key) for key in __all__ if hasattr(module, key)})
        return globals()[name]
