"""Fail unless the installed wheel works with one framework alone; run outside the checkout.

`check_wheel.py llama-index` and `check_wheel.py langchain` each run in an environment that holds
the wheel with that extra and `train`, and nothing else; `make wheel` runs both.
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

Pair = tuple[list[float], ...]  # one vector of the base model, one of the adapted model


@dataclass(frozen=True)
class Integration:
    """The package for one framework.

    Attributes:
        package: Its name.
        framework: Top-level module of the framework.
        serve: From an adapter folder, vectors of one query and of one document.
    """

    package: str
    framework: str
    serve: Callable[[Path], tuple[Pair, Pair]]


def serve_llama_index(folder: Path) -> tuple[Pair, Pair]:
    """Return the vectors that the LlamaIndex integration serves."""
    from llama_index.core.embeddings import MockEmbedding

    from llama_index_finetune_plugin import LinearAdapterEmbedding

    base = MockEmbedding(embed_dim=2)
    both = base, LinearAdapterEmbedding(base, folder)
    queries = tuple(model.get_query_embedding("query") for model in both)
    return queries, tuple(model.get_text_embedding("document") for model in both)


def serve_langchain(folder: Path) -> tuple[Pair, Pair]:
    """Return the vectors that the LangChain integration serves."""
    from langchain_core.embeddings import DeterministicFakeEmbedding

    from langchain_adapter import LinearAdapterEmbeddings

    base = DeterministicFakeEmbedding(size=2)
    both = base, LinearAdapterEmbeddings(base, folder)
    queries = tuple(model.embed_query("query") for model in both)
    return queries, tuple(model.embed_documents(["document"])[0] for model in both)


INTEGRATIONS = {
    "llama-index": Integration("llama_index_finetune_plugin", "llama_index", serve_llama_index),
    "langchain": Integration("langchain_adapter", "langchain_core", serve_langchain),
}


def check_imports(integration: Integration) -> None:
    """Check that the packages come from the wheel, are typed, and load nothing heavy."""
    for package in (core, importlib.import_module(integration.package)):
        folder = Path(str(package.__file__)).parent
        if "site-packages" not in folder.parts or not (folder / "py.typed").is_file():
            sys.exit(f"not the installed wheel, or without py.typed: {folder}")
    if loaded := {"torch", "scipy"} & set(sys.modules):
        sys.exit(f"the imports loaded {sorted(loaded)}")
    if find_spec("torch"):
        sys.exit("serving and training need no torch, but the installation brought it")


def check_missing_extra(extra: str, integration: Integration) -> None:
    """Check that the integration whose extra is not installed says what to install."""
    if find_spec(integration.framework):
        sys.exit(f"{integration.framework} is installed, so its absence cannot be checked")
    try:
        importlib.import_module(integration.package)
    except core.errors.MissingExtraError as error:
        if f"pip install 'llama-index-finetune-plugin[{extra}]'" not in str(error):
            sys.exit(f"no pip command in: {error}")
    else:
        sys.exit(f"imported without its extra: {integration.package}")


def check_serving(integration: Integration) -> None:
    """Check that a saved adapter changes query vectors and no document vector."""
    turn = core.LinearAdapter([[0.0, 1.0], [-1.0, 0.0]])
    with tempfile.TemporaryDirectory() as temporary:
        folder = core.save_adapter(turn, Path(temporary) / "adapter")
        (query, adapted), (document, kept) = integration.serve(folder)
    if not np.allclose(adapted, [query[1], -query[0]]):
        sys.exit(f"wrong query vector: {adapted} from {query}")
    if document != kept:
        sys.exit("a document vector was changed")


def check_training() -> None:
    """Check that the `train` extra is enough to import the trainer."""
    import query_adapters.training  # noqa: F401


if __name__ == "__main__":
    extra = sys.argv[1]
    check_imports(INTEGRATIONS[extra])
    for other in INTEGRATIONS.keys() - {extra}:
        check_missing_extra(other, INTEGRATIONS[other])
    check_serving(INTEGRATIONS[extra])
    check_training()
    print(f"the installed wheel works with {extra} alone")
