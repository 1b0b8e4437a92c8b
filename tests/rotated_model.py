"""Embedding models of both frameworks whose query vectors are rotated document vectors."""

from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from query_adapters.data.dataset import RetrievalDataset

DIM, N_CHUNKS = 8, 60
ROTATION = np.linalg.qr(np.random.default_rng(42).normal(size=(DIM, DIM)))[0]
CHUNKS = {f"chunk-{n}": f"chunk {n}" for n in range(N_CHUNKS)}
TRAINING = {f"question {n}": [f"chunk-{n}"] for n in range(N_CHUNKS)}
TEST = {f"again, question {n}": [f"chunk-{n}"] for n in range(N_CHUNKS)}


def vector(text: str) -> list[float]:
    """Return a chunk's vector, or for a question the rotated vector of its chunk plus noise."""
    number = "".join(character for character in text if character.isdigit()) or str(len(text))
    about = np.random.default_rng(int(number)).normal(size=DIM)
    noise = np.random.default_rng(len(text)).normal(size=DIM)
    found = about if text.startswith("chunk") else about @ ROTATION + 0.2 * noise
    return [float(value) for value in found]


class RotatedEmbedding(BaseEmbedding):
    model_name: str = "rotated"

    def _get_query_embedding(self, query: str) -> list[float]:
        return vector(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return vector(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return vector(text)


class RotatedEmbeddings(Embeddings):
    model_name = "rotated"

    def embed_query(self, text: str) -> list[float]:
        return vector(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [vector(text) for text in texts]


def dataset(questions: dict[str, list[str]]) -> RetrievalDataset:
    return RetrievalDataset.from_relevant_docs({q: q for q in questions}, CHUNKS, questions)


def nodes() -> list[Any]:
    return [TextNode(id_=key, text=text) for key, text in CHUNKS.items()]


def documents() -> list[Document]:
    return [Document(text, id=key) for key, text in CHUNKS.items()]


def index() -> VectorStoreIndex:
    return VectorStoreIndex(nodes(), embed_model=RotatedEmbedding())


def vectorstore(model: Embeddings | None = None) -> InMemoryVectorStore:
    store = InMemoryVectorStore(model or RotatedEmbeddings())
    filled = InMemoryVectorStore(RotatedEmbeddings())
    filled.add_documents(documents())
    store.store = filled.store
    return store


def source_of(key: str) -> str:
    """Return the id of the document that a chunk was split from; each has four."""
    return f"document-{int(key.removeprefix('chunk-')) // 4}"


def source_dataset(questions: dict[str, list[str]]) -> RetrievalDataset:
    """Return the questions with labels on documents."""
    relevant = {text: [source_of(ids[0])] for text, ids in questions.items()}
    sources = {source_of(key): source_of(key) for key in CHUNKS}
    return RetrievalDataset.from_relevant_docs({q: q for q in questions}, sources, relevant)


def split_index() -> VectorStoreIndex:
    """Return an index of chunks that name their source document and their page."""
    split = [
        TextNode(
            id_=key,
            text=text,
            metadata={"file_name": "manual.pdf", "page_label": str(1 + number // 8)},
            excluded_embed_metadata_keys=["file_name", "page_label"],
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source_of(key))},
        )
        for number, (key, text) in enumerate(CHUNKS.items())
    ]
    return VectorStoreIndex(split, embed_model=RotatedEmbedding())


def split_vectorstore() -> InMemoryVectorStore:
    """Return a store of child chunks, as a ParentDocumentRetriever fills it."""
    store = InMemoryVectorStore(RotatedEmbeddings())
    store.add_documents(
        [Document(text, metadata={"doc_id": source_of(key)}) for key, text in CHUNKS.items()]
    )
    return store
