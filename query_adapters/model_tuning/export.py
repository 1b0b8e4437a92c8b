"""Export a linear adapter as a model that sentence-transformers loads without this package."""

from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Router

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.serving import AdapterLike, check_fits, check_probe, read
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.errors import AdapterMismatchError
from query_adapters.model_tuning.models import has_routes, like, load_model, ranking_of


def export_adapter(
    adapter: AdapterLike,
    model_id: str,
    folder: str | Path,
    *,
    check_model: bool = True,
    device: str | None = None,
    trust_remote_code: bool = False,
) -> Path:
    """Save the base model with the adapter on its queries, and return the folder.

    `SentenceTransformer(folder)` loads it without this package: `encode_query` applies the
    adapter, `encode_document` is the base's. Rankings equal those of the adapter; vectors are
    equal too if the base's have length 1.

    Args:
        adapter: A linear adapter, with or without its record, or its folder.
        model_id: The base model: an id on the Hub or a folder.
        folder: Folder of the new model.
        check_model: Whether to check that the adapter's record names this base, and that its
            probe question has the same vector as in training.
        device: Device to load the base on.
        trust_remote_code: Whether code that comes with the base may run.

    Raises:
        AdapterMismatchError: If the adapter is not linear or was trained on another model, or if
            the model has routes or ranks by neither cosine nor dot.
        DimensionMismatchError: If the adapter takes vectors of another length.
    """
    saved = read(adapter)
    if saved is None or not isinstance(saved.adapter, LinearAdapter):
        kind = "none" if saved is None else saved.adapter.kind
        raise AdapterMismatchError(
            f"expected a linear adapter, got {kind}: a Dense layer holds only one matrix and a "
            "bias; train with memory=False (command line: --no-memory), or serve this one with "
            "LinearAdapterEmbedding (LangChain: LinearAdapterEmbeddings)"
        )
    base = load_model(model_id, device=device, trust_remote_code=trust_remote_code)
    _check(saved, base, model_id if check_model else None)
    adapted = like(base, [*base.children(), _on_queries(base, saved.adapter)])
    adapted.save_pretrained(str(folder))
    return Path(folder)


def _check(saved: SavedAdapter, base: SentenceTransformer, model_id: str | None) -> None:
    ranking_of(base)
    if has_routes(base):
        raise AdapterMismatchError(
            "expected a model without routes, got one that has them; apply the adapter with "
            "AdapterEmbedding instead"
        )
    check_fits(saved, model_name=model_id, dim=base.get_embedding_dimension())
    probe = saved.record.probe_text
    if model_id is not None and probe is not None and saved.probe_vector is not None:
        vector = np.asarray(base.encode_query(probe), dtype=np.float32)
        check_probe(vector.tolist(), saved.probe_vector, model_name=model_id)


def _on_queries(base: SentenceTransformer, adapter: LinearAdapter) -> Router:
    dense = Dense(
        adapter.dim_in,
        adapter.dim_out,
        bias=adapter.bias is not None,
        activation_function=torch.nn.Identity(),
        init_weight=torch.tensor(adapter.weight),
        init_bias=None if adapter.bias is None else torch.tensor(adapter.bias),
    )
    gives_units = isinstance(list(base.children())[-1], Normalize)
    length = [Normalize()] if gives_units and adapter.keeps_length else []
    return Router.for_query_document(query_modules=[dense, *length], document_modules=[])
