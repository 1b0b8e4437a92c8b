"""Query adapters of many tenants at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.stores import Store
from llama_index_finetune_plugin.stores.live import opened
from query_adapters._extras import require_extra
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.finetuning.options import ManyOptions

if TYPE_CHECKING:
    from query_adapters.training.many.decision import ManyResult


def finetune_many(
    datasets: Mapping[str, QADataset | RetrievalDataset],
    embed_model: BaseLike,
    *,
    model_output_path: str | Path = "model_output",
    indexes: Mapping[str, Store] | None = None,
    **options: Unpack[ManyOptions],
) -> "ManyResult":
    """Return adapters for many tenants, languages or collections, each saved in its own folder.

    Args:
        datasets: Training questions of each tenant, by name.
        embed_model: The base of all tenants, as in `EmbeddingAdapterFinetuneEngine`.
        model_output_path: Folder of the adapters: `<name>` for each tenant, and `shared`.
        indexes: The index that a tenant searches, by name: a VectorStoreIndex, its store, a
            StoredVectors, or blocks of (ids, vectors). Without one, the dataset's documents.
        **options: As in `ManyOptions` and `TrainerOptions`.

    Raises:
        QueryAdaptersError: As `query_adapters.finetuning.many.finetune_many`.
        UnreadableStoreError: If vectors cannot be read back from an index.
        TypeError: If an argument is unknown, or not of an expected type.
    """
    require_extra("train")
    from query_adapters.finetuning.many import finetune_many as train  # needs scipy

    stores = {name: opened(store, "chunk") for name, store in (indexes or {}).items()}
    return train(
        datasets,
        LlamaIndexEmbedder(embed_model),
        model_output_path=model_output_path,
        indexes=stores,
        **options,
    )
