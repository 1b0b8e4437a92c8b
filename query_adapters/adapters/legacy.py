"""Read adapters of `llama-index-embeddings-adapter`: pickles, of which only tensors are loaded."""

from pathlib import Path
from typing import Any

from query_adapters._extras import require_extra
from query_adapters.adapters import LinearAdapter
from query_adapters.errors import AdapterFileError
from query_adapters.files.json_reading import read_json_file
from query_adapters.files.reading import STREAM_BYTES, check_file

CONFIG, WEIGHTS = "config.json", "pytorch_model.bin"


def is_old_folder(folder: Path) -> bool:
    """Return whether the folder looks like one that the old package saved."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read_old_adapter(folder: str | Path) -> LinearAdapter:
    """Return the linear adapter that `llama-index-embeddings-adapter` saved in the folder.

    Its vectors equal those of the old package, `W q + b`, without keeping lengths.

    Raises:
        MissingExtraError: If torch is not installed.
        AdapterFileError: If it is not a linear adapter, or holds anything but plain tensors.
    """
    require_extra("torch")
    import torch

    folder = Path(folder)
    config = _read_peer_config(folder / CONFIG)
    check_file(folder / WEIGHTS, error=AdapterFileError, limit=STREAM_BYTES)
    try:
        state = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
        tensors = {name: tensor.float().numpy() for name, tensor in state.items()}
        weight, bias = tensors["linear.weight"], tensors.get("linear.bias")
        adapter = LinearAdapter(weight, bias, keeps_length=False)
    except Exception as exc:
        raise AdapterFileError(
            f"{folder}: {WEIGHTS} does not hold plain weights ({exc}); no code in it was run"
        ) from exc
    found = {
        "in_features": adapter.dim_in,
        "out_features": adapter.dim_out,
        "bias": adapter.bias is not None,
    }
    if config != found:
        raise AdapterFileError(
            f"{folder}: {CONFIG} says {config}, the weights say {found}; save it anew"
        )
    return adapter


def _saved_anew(message: str) -> AdapterFileError:
    return AdapterFileError(f"{message}; save the adapter anew")


def _read_peer_config(path: Path) -> dict[str, Any]:
    config = read_json_file(path, error=_saved_anew)
    if not isinstance(config, dict) or set(config) != {"in_features", "out_features", "bias"}:
        raise AdapterFileError(
            f"{path}: expected a linear adapter of llama-index-embeddings-adapter (in_features, "
            f"out_features, bias), got {config}; train a linear adapter on the same dataset instead"
        )
    return config
