"""Query adapters of many tenants at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from langchain_adapter.embedder import BaseLike, LangChainEmbedder
from langchain_adapter.stores import Store
from langchain_adapter.stores.live import opened
from query_adapters._extras import require_extra
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.finetuning.options import ManyOptions

if TYPE_CHECKING:
    from query_adapters.training.many.decision import ManyResult


def finetune_many(
    datasets: Mapping[str, QADataset | RetrievalDataset],
    embeddings: BaseLike,
    *,
    vectorstores: Mapping[str, Store] | None = None,
    model_output_path: str | Path = "model_output",
    **options: Unpack[ManyOptions],
) -> "ManyResult":
    """Return adapters for many tenants, languages or collections, each saved in its own folder.

    Args:
        datasets: Training questions of each tenant, by name.
        embeddings: The base of all tenants, as in `EmbeddingAdapterFinetuneEngine`.
        vectorstores: What a tenant searches, by name: a vector store, a StoredVectors, or blocks
            of (ids, vectors). Without one, the dataset's documents.
        model_output_path: Folder of the adapters: `<name>` for each tenant, and `shared`.
        **options: As in `ManyOptions` and `TrainerOptions`.

    Raises:
        QueryAdaptersError: As `query_adapters.finetuning.many.finetune_many`.
        UnreadableStoreError: If vectors cannot be read back from a vector store.
        TypeError: If an argument is unknown, or not of an expected type.
    """
    require_extra("train")
    from query_adapters.finetuning.many import finetune_many as fit  # needs scipy

    given = vectorstores or {}
    return fit(
        datasets,
        LangChainEmbedder(embeddings),
        indexes={name: opened(store, "chunk") for name, store in given.items()},
        model_output_path=model_output_path,
        **options,
    )
