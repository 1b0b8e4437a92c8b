"""Fail unless the installed wheel works with one framework alone; outside the checkout.

`make wheel` runs it as `check_wheel.py llama-index` and as `check_wheel.py langchain`, each in an
environment that holds the wheel with that extra and `train`, and nothing else.
"""

import importlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import query_adapters as core

Pair = tuple[list[float], ...]  # one vector by the base, one by the adapted model


@dataclass(frozen=True)
class Door:
    """A package over one framework.

    Attributes:
        package: Its name.
        framework: Top-level module of the framework.
        serve: From an adapter folder, vectors of one question and of one document.
    """

    package: str
    framework: str
    serve: Callable[[Path], tuple[Pair, Pair]]


def serve_llama_index(folder: Path) -> tuple[Pair, Pair]:
    """Return vectors by LlamaIndex's door."""
    from llama_index.core.embeddings import MockEmbedding

    from llama_index_finetune_plugin import LinearAdapterEmbedding

    base = MockEmbedding(embed_dim=2)
    both = base, LinearAdapterEmbedding(base, folder)
    questions = tuple(model.get_query_embedding("question") for model in both)
    return questions, tuple(model.get_text_embedding("document") for model in both)


def serve_langchain(folder: Path) -> tuple[Pair, Pair]:
    """Return vectors by LangChain's door."""
    from langchain_core.embeddings import DeterministicFakeEmbedding

    from langchain_adapter import LinearAdapterEmbeddings

    base = DeterministicFakeEmbedding(size=2)
    both = base, LinearAdapterEmbeddings(base, folder)
    questions = tuple(model.embed_query("question") for model in both)
    return questions, tuple(model.embed_documents(["document"])[0] for model in both)


DOORS = {
    "llama-index": Door("llama_index_finetune_plugin", "llama_index", serve_llama_index),
    "langchain": Door("langchain_adapter", "langchain_core", serve_langchain),
}


def check_imports(door: Door) -> None:
    """Core and door come from the wheel, with their types, and have loaded nothing heavy."""
    for package in (core, importlib.import_module(door.package)):
        folder = Path(str(package.__file__)).parent
        if "site-packages" not in folder.parts or not (folder / "py.typed").is_file():
            sys.exit(f"not the installed wheel, or without py.typed: {folder}")
    if loaded := {"torch", "scipy"} & set(sys.modules):
        sys.exit(f"the imports loaded {sorted(loaded)}")
    if find_spec("torch"):
        sys.exit("serving and training need no torch, but installing them brought it")


def check_other_door(extra: str, door: Door) -> None:
    """The door whose extra is not installed is there and says what to install."""
    if find_spec(door.framework):
        sys.exit(f"{door.framework} is installed here, so that its absence cannot be checked")
    try:
        importlib.import_module(door.package)
    except core.errors.MissingExtraError as error:
        if f"pip install 'llama-index-finetune-plugin[{extra}]'" not in str(error):
            sys.exit(f"no pip line in: {error}")
    else:
        sys.exit(f"imported without its extra: {door.package}")


def check_serving(door: Door) -> None:
    """An adapter that was saved changes query vectors and no document vector."""
    turn = core.LinearAdapter([[0.0, 1.0], [-1.0, 0.0]])
    with tempfile.TemporaryDirectory() as temporary:
        folder = core.save_adapter(turn, Path(temporary) / "adapter")
        (question, adapted), (document, kept) = door.serve(folder)
    if not np.allclose(adapted, [question[1], -question[0]]):
        sys.exit(f"wrong query vector: {adapted} of {question}")
    if document != kept:
        sys.exit("a document vector was changed")


def check_training() -> None:
    """The `train` extra is enough to import the trainer."""
    import query_adapters.training  # noqa: F401


if __name__ == "__main__":
    extra = sys.argv[1]
    check_imports(DOORS[extra])
    for other in DOORS.keys() - {extra}:
        check_other_door(other, DOORS[other])
    check_serving(DOORS[extra])
    check_training()
    print(f"the installed wheel works with {extra} alone")
