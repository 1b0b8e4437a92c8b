"""Find the prefix that the nodes of an index were embedded with."""

from collections.abc import Sequence
from typing import Any

from llama_index.core import VectorStoreIndex

from llama_index_finetune_plugin.embedder import LlamaIndexEmbedder
from llama_index_finetune_plugin.stores.live import live_index, own_model
from query_adapters.stores import PrefixCheck
from query_adapters.stores import check_prefix as check_prefix_of
from query_adapters.stores.index_check import N_TEXTS


def check_prefix(
    index: VectorStoreIndex,
    embed_model: Any = None,
    *,
    n_texts: int = N_TEXTS,
    prefixes: Sequence[str] | None = None,
) -> PrefixCheck:
    """Return which prefix, if any, the stored nodes were embedded with.

    Args:
        index: The index.
        embed_model: The model that built it, as in `LlamaIndexEmbedder`, or a `TextEmbedder`; by
            default the index's own.
        n_texts: The most nodes to embed, once in each way.
        prefixes: Prefixes to try; by default those of the model's family.

    Raises:
        InvalidVectorsError: If the index returns no vectors or no texts.
        DimensionMismatchError: If the stored vectors are longer than the model's.
        UnreadableStoreError: If vectors cannot be read back from the index.
    """
    embedder = LlamaIndexEmbedder(own_model(index) if embed_model is None else embed_model)
    return check_prefix_of(live_index(index), embedder, n_texts=n_texts, prefixes=prefixes)
