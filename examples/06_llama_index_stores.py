"""Train an adapter on an existing LlamaIndex index: FAISS, Chroma, Qdrant, LanceDB, pgvector.

Fills each store with the documentation of Python's standard library; `onto` then shows all that you
need for your own store. Training reads the stored vectors and embeds no document. Runs offline
after the installation. Stores whose package is missing are skipped:

    pip install llama-index-vector-stores-faiss faiss-cpu llama-index-vector-stores-chroma
    pip install llama-index-vector-stores-qdrant llama-index-vector-stores-lancedb
    pip install llama-index-vector-stores-postgres 'psycopg[binary]'   # and --postgres URL
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from rich.console import Console
from rich.table import Table
from stores_dataset import missing, read_split, row_of

from llama_index_finetune_plugin import EmbeddingAdapterFinetuneEngine, RetrieverEvaluator
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.demo import packaged_model
from query_adapters.evaluation.pairwise import compare

DIM = 384
console = Console(highlight=False)


def onto(
    index: VectorStoreIndex, training: RetrievalDataset, folder: Path, **options: Any
) -> BaseEmbedding:
    """Return the index's own model with an adapter; the index is only read."""
    engine = EmbeddingAdapterFinetuneEngine.from_index(
        training,  # or pairs: [("how do I ...?", "id of a relevant node"), ...]
        index,
        model_output_path=folder,
        **options,
    )
    engine.finetune()
    return engine.get_finetuned_model()


def simple(folder: Path, url: str) -> Any:
    return SimpleVectorStore()


def faiss(folder: Path, url: str) -> Any:
    from faiss import IndexFlatIP
    from llama_index.vector_stores.faiss import FaissVectorStore

    return FaissVectorStore(IndexFlatIP(DIM))


def chroma(folder: Path, url: str) -> Any:
    from chromadb import PersistentClient
    from llama_index.vector_stores.chroma import ChromaVectorStore

    return ChromaVectorStore(PersistentClient(str(folder)).create_collection("docs"))


def qdrant(folder: Path, url: str) -> Any:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    return QdrantVectorStore("docs", client=QdrantClient(":memory:"), index_doc_id=False)


def lancedb(folder: Path, url: str) -> Any:
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    return LanceDBVectorStore(str(folder), table_name="docs")


def pgvector(folder: Path, url: str) -> Any:
    from llama_index.vector_stores.postgres import PGVectorStore

    asynchronous = url.replace("+psycopg", "+asyncpg")
    return PGVectorStore(url, asynchronous, table_name=f"example_{folder.parent.name}",
                         embed_dim=DIM)  # fmt: skip


STORES: dict[str, tuple[Callable[[Path, str], Any], str]] = {
    "in memory": (simple, ""),
    "FAISS": (faiss, "faiss llama_index.vector_stores.faiss"),
    "Chroma": (chroma, "chromadb llama_index.vector_stores.chroma"),
    "Qdrant": (qdrant, "qdrant_client llama_index.vector_stores.qdrant"),
    "LanceDB": (lancedb, "lancedb llama_index.vector_stores.lancedb"),
    "pgvector": (pgvector, "psycopg asyncpg llama_index.vector_stores.postgres"),
}


def embedded_nodes(dataset: RetrievalDataset, model: BaseEmbedding) -> list[TextNode]:
    vectors = model.get_text_embedding_batch(list(dataset.corpus.values()))
    texts = zip(dataset.corpus.items(), vectors, strict=True)
    return [TextNode(id_=key, text=text, embedding=vector) for (key, text), vector in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="few questions, for a quick check")
    parser.add_argument("--postgres", default="", help="postgresql+psycopg://... with pgvector")
    options = parser.parse_args()
    training, held_out = read_split(n_queries=150 if options.smoke else 600)
    base = HuggingFaceEmbedding(packaged_model(), embed_batch_size=32)
    nodes = embedded_nodes(training, base)
    title = f"nDCG@10 × 100, {len(held_out.queries)} held-out questions, {len(nodes)} documents"
    table = Table("store", "base", "adapted", "difference, 95 %", title=title)

    with tempfile.TemporaryDirectory() as temporary:
        for name, (make, modules) in STORES.items():
            absent = missing(modules)
            if absent or (name == "pgvector" and not options.postgres):
                reason = f"not installed: {', '.join(absent)}" if absent else "no --postgres URL"
                console.print(f"{name}: skipped, {reason}")
                continue
            folder = Path(temporary) / name
            context = StorageContext.from_defaults(vector_store=make(folder, options.postgres))
            index = VectorStoreIndex(nodes, storage_context=context, embed_model=base)
            cache = Path(temporary) / "questions.sqlite"  # embedded for the first store only
            adapted = onto(index, training, folder / "adapter", cache_path=cache)
            retrievers = (
                index.as_retriever(embed_model=model, similarity_top_k=10)
                for model in (base, adapted)
            )
            scores = [RetrieverEvaluator(one).evaluate_dataset(held_out) for one in retrievers]
            table.add_row(name, *row_of(compare(*scores)))
    console.print(table)


if __name__ == "__main__":
    main()
