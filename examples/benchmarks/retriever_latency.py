"""Measure the time that the learned retriever adds to the search of its store, on one core.

A FAISS index holds random vectors and synthetic texts (those of lexical.py). A thousand training
questions have an answer each, and all weights are set, so that every step is taken. For each
integration, the script times its own retriever (`similarity_top_k` or `k` of 10) and
`FusionRetriever` with and without exact words, which scores the 100 nearest documents, the 100 with
the best exact words and 50 that were voted for. The three take turns on the same questions; the
base model returns its vector at once. A question's time is the least processor time of seven
repeats. The script prints and saves the median milliseconds of a question, and the median of what
`FusionRetriever` adds to it.

    OMP_NUM_THREADS=1 python examples/benchmarks/retriever_latency.py --documents 100000
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from known_vectors import KnownVectors
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from lexical import blocks, texts, words
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.vector_stores.faiss import FaissVectorStore
from rich.console import Console
from rich.table import Table

from langchain_adapter.fusion import FusionRetriever as OfLangChain
from llama_index_finetune_plugin.fusion import FusionRetriever as OfLlamaIndex
from query_adapters.adapters import LinearAdapter
from query_adapters.arrays import unit
from query_adapters.fusion import FusionModel, ScoringHead
from query_adapters.fusion.features import FEATURES, LEXICAL
from query_adapters.lexical import LexicalIndex, Tokenizer
from query_adapters.typing import Vectors

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import installed, write_results

RESULTS = Path(__file__).parent / "results" / "retriever_latency.json"
DIM, TOP, TRAINING, QUESTIONS, REPEATS = 384, 10, 1_000, 100, 7
WEIGHTS = dict.fromkeys(FEATURES, 0.1)
Retrieve = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Synthetic documents with the questions that search them."""

    ids: Sequence[str]
    texts: Sequence[str]
    vectors: Vectors
    lexical: LexicalIndex
    vector_of: Mapping[str, list[float]]
    training: Vectors

    def model(self, *, with_words: bool) -> FusionModel:
        weights = {name: weight for name, weight in WEIGHTS.items() if name != LEXICAL}
        rows = np.random.default_rng(1).integers(len(self.ids), size=len(self.training))
        return FusionModel(
            adapter=LinearAdapter.identity(DIM),
            head=ScoringHead(WEIGHTS if with_words else weights),
            queries=self.training,
            answers=tuple((self.ids[row],) for row in rows),
            lexical=self.lexical if with_words else None,
        )


class KnownEmbeddings(Embeddings):
    """Returns the vectors of known questions at once."""

    def __init__(self, vector_of: Mapping[str, list[float]]) -> None:
        self._vector_of = vector_of

    def embed_query(self, text: str) -> list[float]:
        return self._vector_of[text]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._vector_of[text] for text in texts]


def corpus(n_documents: int) -> Corpus:
    known, rng = words(np.random.default_rng(0)), np.random.default_rng(2)
    found = list(blocks(known, n_documents, 1))
    asked = [text.split()[:12] for text in texts(known, rng, QUESTIONS)]
    queries = unit(rng.normal(size=(len(asked), DIM)).astype(np.float32))
    return Corpus(
        ids=[key for keys, _ in found for key in keys],
        texts=[text for _, block in found for text in block],
        vectors=unit(rng.normal(size=(n_documents, DIM)).astype(np.float32)),
        lexical=LexicalIndex.build(found, tokenizer=Tokenizer("english")),
        vector_of=dict(zip(map(" ".join, asked), queries.tolist(), strict=True)),
        training=unit(rng.normal(size=(TRAINING, DIM)).astype(np.float32)),
    )


def of_langchain(given: Corpus) -> dict[str, Retrieve]:
    documents = map(Document, given.texts)
    held = {
        key: document.model_copy(update={"id": key})
        for key, document in zip(given.ids, documents, strict=True)
    }
    store = FAISS(
        KnownEmbeddings(given.vector_of),
        faiss_index(given.vectors),
        InMemoryDocstore(held),
        dict(enumerate(given.ids)),
    )
    fused = {
        flag: OfLangChain(store, given.model(with_words=flag), k=TOP) for flag in (True, False)
    }
    return {
        "search": store.as_retriever(search_kwargs={"k": TOP}).invoke,
        "with words": fused[True].invoke,
        "without words": fused[False].invoke,
    }


def of_llama_index(given: Corpus) -> dict[str, Retrieve]:
    nodes = [
        TextNode(id_=key, text=text, embedding=vector)
        for key, text, vector in zip(given.ids, given.texts, given.vectors.tolist(), strict=True)
    ]
    store = FaissVectorStore(faiss.IndexFlatIP(DIM))
    context = StorageContext.from_defaults(vector_store=store)
    model = KnownVectors(given.vector_of)
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=model)
    fused = {
        flag: OfLlamaIndex(index, given.model(with_words=flag), similarity_top_k=TOP)
        for flag in (True, False)
    }
    return {
        "search": index.as_retriever(similarity_top_k=TOP).retrieve,
        "with words": fused[True].retrieve,
        "without words": fused[False].retrieve,
    }


def faiss_index(vectors: Vectors) -> Any:
    index = faiss.IndexFlatIP(DIM)
    index.add(vectors)
    return index


def latencies(retrievers: Mapping[str, Retrieve], questions: Sequence[str]) -> dict[str, float]:
    """Return median milliseconds of each retriever, and of what it adds to the first."""
    repeats = [
        [[timed(ask, text) for ask in retrievers.values()] for text in questions]
        for _ in range(REPEATS)
    ]
    found = 1_000 * np.min(repeats, axis=0)
    medians = dict(zip(retrievers, np.median(found, axis=0), strict=True))
    added = dict(zip(retrievers, np.median(found - found[:, :1], axis=0), strict=True))
    of_search = {"search": medians.pop("search")}
    return {k: round(float(v), 2) for k, v in (of_search | {n: added[n] for n in medians}).items()}


def timed(ask: Retrieve, text: str) -> float:
    start = time.process_time()
    ask(text)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()
    given = corpus(options.documents)
    questions = list(given.vector_of)
    makers = {"LangChain": of_langchain, "LlamaIndex": of_llama_index}
    rows = {name: latencies(make(given), questions) for name, make in makers.items()}
    about = {
        "documents": options.documents,
        "dim": DIM,
        "questions": QUESTIONS,
        "packages": {name: installed(name) for name in ("faiss-cpu", "bm25s")},
    }
    write_results(options.results, {**about, "milliseconds": rows})
    table = Table("", "search", "added, with words", "added, without words", box=None)
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.2f}" for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
