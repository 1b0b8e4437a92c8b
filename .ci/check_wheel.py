"""Fail unless the installed wheel works by itself; `make wheel` runs it outside the checkout."""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import llama_index_finetune_plugin as door
import query_adapters as core

HEAVY = {"torch", "scipy", "langchain_core"}


def check_imports() -> None:
    """Both packages come from the wheel, with their types, and have loaded nothing heavy."""
    if loaded := HEAVY & set(sys.modules):
        sys.exit(f"the imports loaded {sorted(loaded)}")
    if find_spec("torch"):
        sys.exit("serving and training need no torch, but installing them brought it")
    for package in (core, door):
        folder = Path(str(package.__file__)).parent
        if "site-packages" not in folder.parts or not (folder / "py.typed").is_file():
            sys.exit(f"not the installed wheel, or without py.typed: {folder}")


def check_other_door() -> None:
    """The package whose extra is not installed is there and says what to install."""
    try:
        import langchain_adapter
    except core.errors.MissingExtraError as error:
        if "pip install 'llama-index-finetune-plugin[langchain]'" not in str(error):
            sys.exit(f"no pip line in: {error}")
    else:
        sys.exit(f"imported without its extra: {langchain_adapter}")


def check_serving() -> None:
    """An adapter that was saved and loaded changes query vectors and no document vector."""
    from llama_index.core.embeddings import MockEmbedding

    turn = core.LinearAdapter([[0.0, 1.0], [-1.0, 0.0]])
    base = MockEmbedding(embed_dim=2)
    with tempfile.TemporaryDirectory() as temporary:
        core.save_adapter(turn, Path(temporary) / "adapter")
        served = door.LinearAdapterEmbedding(base, core.load_adapter(Path(temporary) / "adapter"))
    if not np.allclose(served.get_query_embedding("question"), [0.5, -0.5]):
        sys.exit(f"wrong query vector: {served.get_query_embedding('question')}")
    if served.get_text_embedding("document") != base.get_text_embedding("document"):
        sys.exit("a document vector was changed")


def check_training() -> None:
    """The `train` extra is enough to import the trainer."""
    import query_adapters.training  # noqa: F401


if __name__ == "__main__":
    check_imports()
    check_other_door()
    check_serving()
    check_training()
    print("the installed wheel works by itself")
