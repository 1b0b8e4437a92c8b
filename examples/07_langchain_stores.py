"""Train an adapter on an existing LangChain store: FAISS, Chroma, Qdrant, LanceDB, PGVector.

Fills each store with the documentation of Python's standard library; `onto` then shows all that you
need for your own store. Training reads the stored vectors and embeds no document. Runs offline
after the installation. Stores whose package is missing are skipped:

    pip install langchain-community faiss-cpu lancedb langchain-chroma langchain-qdrant
    pip install langchain-postgres 'psycopg[binary]'   # and --postgres URL
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from rich.console import Console
from rich.table import Table
from sentence_transformers import SentenceTransformer
from stores_dataset import missing, read_split, row_of

from langchain_adapter import EmbeddingAdapterFinetuneEngine, RetrieverEvaluator
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.demo import packaged_model
from query_adapters.evaluation.pairwise import compare

DIM = 384
console = Console(highlight=False)


def onto(
    vectorstore: VectorStore, training: RetrievalDataset, folder: Path, **options: Any
) -> Embeddings:
    """Return the store's own model with an adapter; the store is only read."""
    engine = EmbeddingAdapterFinetuneEngine.from_vectorstore(
        training,  # or pairs: [("how do I ...?", "id of a relevant document"), ...]
        vectorstore,
        model_output_path=folder,
        **options,
    )
    engine.finetune()
    return engine.get_finetuned_model()


class PackagedEmbeddings(Embeddings):
    """The demo's model; each text is embedded once, for all stores."""

    model_name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        self._model = SentenceTransformer(packaged_model(), device="cpu")
        self._known: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        new = [text for text in texts if text not in self._known]
        if new:
            self._known |= dict(zip(new, self._model.encode(new).tolist(), strict=True))
        return [self._known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def in_memory(model: Embeddings, folder: Path, url: str) -> VectorStore:
    return InMemoryVectorStore(model)


def faiss(model: Embeddings, folder: Path, url: str) -> VectorStore:
    from faiss import IndexFlatIP
    from langchain_community.docstore import InMemoryDocstore
    from langchain_community.vectorstores import FAISS
    from langchain_community.vectorstores.utils import DistanceStrategy

    return FAISS(model, IndexFlatIP(DIM), InMemoryDocstore(), {},
                 distance_strategy=DistanceStrategy.MAX_INNER_PRODUCT)  # fmt: skip


def chroma(model: Embeddings, folder: Path, url: str) -> VectorStore:
    from langchain_chroma import Chroma

    return Chroma("docs", model, persist_directory=str(folder))


def qdrant(model: Embeddings, folder: Path, url: str) -> VectorStore:
    from langchain_qdrant import QdrantVectorStore

    return QdrantVectorStore.construct_instance(
        model, client_options={"path": str(folder)}, collection_name="docs"
    )


def lancedb(model: Embeddings, folder: Path, url: str) -> VectorStore:
    from langchain_community.vectorstores import LanceDB

    return LanceDB(uri=str(folder), embedding=model)


def pgvector(model: Embeddings, folder: Path, url: str) -> VectorStore:
    from langchain_postgres import PGVector

    return PGVector(model, connection=url, collection_name=f"example_{folder.parent.name}")


STORES: dict[str, tuple[Callable[[Embeddings, Path, str], VectorStore], str]] = {
    "in memory": (in_memory, ""),
    "FAISS": (faiss, "faiss langchain_community"),
    "Chroma": (chroma, "langchain_chroma"),
    "Qdrant": (qdrant, "langchain_qdrant"),
    "LanceDB": (lancedb, "lancedb langchain_community"),
    "PGVector": (pgvector, "langchain_postgres psycopg"),
}


def with_model(store: Any, model: Embeddings) -> VectorStore:
    """Return the store opened with another model; the given one is not changed.

    With your own store: open it with the adapted model instead of the base.
    """
    opened = copy(store)
    name = next(name for name, value in vars(store).items() if isinstance(value, Embeddings))
    setattr(opened, name, model)
    return opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="few questions, for a quick check")
    parser.add_argument("--postgres", default="", help="postgresql+psycopg://... with pgvector")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # langchain-community's own
    training, held_out = read_split(n_queries=150 if options.smoke else 600)
    base = PackagedEmbeddings()
    keys, texts = list(training.corpus), list(training.corpus.values())
    metadata = [{"id": key} for key in keys]  # not every store returns ids with its results
    title = f"nDCG@10 × 100, {len(held_out.queries)} held-out questions, {len(keys)} documents"
    table = Table("store", "base", "adapted", "difference, 95 %", title=title)

    with tempfile.TemporaryDirectory() as temporary:
        for name, (make, modules) in STORES.items():
            absent = missing(modules)
            if absent or (name == "PGVector" and not options.postgres):
                reason = f"not installed: {', '.join(absent)}" if absent else "no --postgres URL"
                console.print(f"{name}: skipped, {reason}")
                continue
            folder = Path(temporary) / name
            store = make(base, folder, options.postgres)
            store.add_texts(texts, metadata, ids=keys)
            adapted = onto(store, training, Path(temporary) / f"{name} adapter")
            retrievers = (
                with_model(store, model).as_retriever(search_kwargs={"k": 10})
                for model in (base, adapted)
            )
            scores = [
                RetrieverEvaluator(one, id_key="id").evaluate_dataset(held_out)
                for one in retrievers
            ]
            table.add_row(name, *row_of(compare(*scores)))
    console.print(table)


if __name__ == "__main__":
    main()
