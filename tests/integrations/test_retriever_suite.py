"""Run the contract of retrievers on those of both integrations."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode

import langchain_adapter
import llama_index_finetune_plugin
from query_adapters.adapters import LinearAdapter
from query_adapters.fusion import FusionModel, ScoringHead
from query_adapters.lexical import LexicalIndex, Tokenizer
from query_adapters.testing import RetrieverSuite, Row
from query_adapters.testing.retriever_suite import Found, MakeRetriever
from tests.integrations import langchain, llama_index
from tests.integrations.recording import DIM
from tests.integrations.weighted_contract import weights_of

ADAPTER = LinearAdapter(np.random.default_rng(0).normal(size=(DIM, DIM)))


def fusion_of(rows: Sequence[Row], base: Any) -> FusionModel:
    """Return a learned retriever of similarities, exact words and votes."""
    texts = [row.text for row in rows]
    questions = [f"question {number}" for number in range(4)]
    return FusionModel(
        adapter=ADAPTER,
        head=ScoringHead({"lexical": 0.6, "votes_5": 0.3}),
        queries=np.array([base.vector("query", text) for text in questions], dtype=np.float32),
        answers=tuple((rows[number].key,) for number in range(4)),
        lexical=LexicalIndex.build([([row.key for row in rows], texts)], tokenizer=Tokenizer()),
        similarity="cosine",
        depth=30,
    )


class LlamaIndexSuite(RetrieverSuite):
    """Retrievers over an index in memory."""

    @pytest.fixture
    def make_retriever(self) -> MakeRetriever:
        def make(rows: Sequence[Row], k: int) -> Any:
            nodes = [TextNode(id_=row.key, text=row.text) for row in rows]
            self.base = llama_index.make_base()
            self.model = llama_index_finetune_plugin.AdapterEmbedding(self.base, ADAPTER)
            self.index = VectorStoreIndex(nodes, embed_model=self.model)
            return self.retriever(rows, k)

        return make

    @abstractmethod
    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        """Return a retriever of the index."""

    def search(self, retriever: Any, question: str) -> Found:
        return [(found.node_id, found.score) for found in retriever.retrieve(question)]

    async def asearch(self, retriever: Any, question: str) -> Found:
        return [(found.node_id, found.score) for found in await retriever.aretrieve(question)]

    def delete(self, retriever: Any, ids: Sequence[str]) -> None:
        self.index.delete_nodes(list(ids), delete_from_docstore=True)


class TestAdaptedLlamaIndexRetriever(LlamaIndexSuite):
    empty_query = TypeError  # of LlamaIndex's store in memory, as no vector is made of it

    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        return self.index.as_retriever(similarity_top_k=k)


@pytest.mark.filterwarnings("ignore:the lexical index holds documents")  # by deletes
class TestLlamaIndexFusionRetriever(LlamaIndexSuite):
    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        return llama_index_finetune_plugin.FusionRetriever(
            self.index, fusion_of(rows, self.base), similarity_top_k=k
        )


class TestLlamaIndexWeightedFusionRetriever(LlamaIndexSuite):
    empty_query = TypeError

    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        plain = self.index.as_retriever(similarity_top_k=k, embed_model=self.base)
        adapted = self.index.as_retriever(similarity_top_k=k)
        return llama_index_finetune_plugin.WeightedFusionRetriever(
            [plain, adapted], weights_of(1.0, 0.5), similarity_top_k=k
        )


@pytest.mark.filterwarnings("ignore:the challenger of experiment")  # by the empty question
class TestLlamaIndexCanaryRetriever(LlamaIndexSuite):
    empty_query = TypeError

    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        plain = self.index.as_retriever(similarity_top_k=k, embed_model=self.base)
        adapted = self.index.as_retriever(similarity_top_k=k)
        return llama_index_finetune_plugin.CanaryRetriever(
            plain, adapted, experiment="adapter", share=1.0, session=lambda: "somebody"
        )


class LangChainSuite(RetrieverSuite):
    """Retrievers over a store in memory."""

    @pytest.fixture
    def make_retriever(self) -> MakeRetriever:
        def make(rows: Sequence[Row], k: int) -> Any:
            self.base = langchain.make_base()
            self.model = langchain_adapter.AdapterEmbeddings(self.base, ADAPTER)
            self.store = InMemoryVectorStore(self.model)
            self.store.add_documents([Document(row.text, id=row.key) for row in rows])
            return self.retriever(rows, k)

        return make

    @abstractmethod
    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        """Return a retriever of the store."""

    def search(self, retriever: Any, question: str) -> Found:
        return [_found(document) for document in retriever.invoke(question)]

    async def asearch(self, retriever: Any, question: str) -> Found:
        return [_found(document) for document in await retriever.ainvoke(question)]

    def delete(self, retriever: Any, ids: Sequence[str]) -> None:
        self.store.delete(list(ids))

    def plain(self, k: int) -> Any:
        """Return the retriever of the same store by the model without an adapter."""
        store = InMemoryVectorStore(self.base)
        store.store = self.store.store
        return store.as_retriever(search_kwargs={"k": k})


def _found(document: Document) -> tuple[str, float | None]:
    return str(document.id), document.metadata.get("relevance_score")


class TestAdaptedLangChainRetriever(LangChainSuite):
    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        return self.store.as_retriever(search_kwargs={"k": k})


@pytest.mark.filterwarnings("ignore:the lexical index holds documents")  # by deletes
class TestLangChainFusionRetriever(LangChainSuite):
    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        model = fusion_of(rows, self.base)
        return langchain_adapter.FusionRetriever(self.store, model, self.base, k=k)


class TestLangChainWeightedFusionRetriever(LangChainSuite):
    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        adapted = self.store.as_retriever(search_kwargs={"k": k})
        return langchain_adapter.WeightedFusionRetriever(
            [self.plain(k), adapted], weights_of(1.0, 0.5), k=k
        )


class TestLangChainCanaryRetriever(LangChainSuite):
    def retriever(self, rows: Sequence[Row], k: int) -> Any:
        adapted = self.store.as_retriever(search_kwargs={"k": k})
        return langchain_adapter.CanaryRetriever(
            self.plain(k), adapted, experiment="adapter", share=1.0, session=lambda: "somebody"
        )
