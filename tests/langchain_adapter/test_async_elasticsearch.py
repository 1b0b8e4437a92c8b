"""Tests of LangChain's asynchronous store of Elasticsearch, against a server on the loopback."""

import asyncio

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from langchain_adapter.stores import stored_similarity, stored_vectors
from query_adapters.evaluation.search import exact_search
from query_adapters.stores import gather
from tests.servers.elastic import ElasticServer

IDS = [f"id-{number}" for number in range(12)]
DIM, K = 8, 5


def test_the_asynchronous_store_is_read_and_ranks_as_exact_search_does() -> None:
    module = pytest.importorskip(
        "langchain_elasticsearch", reason="langchain-elasticsearch is not installed"
    )
    model = DeterministicFakeEmbedding(size=DIM)

    async def check(url: str) -> None:
        store = module.AsyncElasticsearchStore("docs", embedding=model, es_url=url)
        await store.aadd_texts([f"text of {key}" for key in IDS], ids=IDS)
        stored = gather(stored_vectors(store))
        assert sorted(stored.ids) == sorted(IDS)
        similarity = stored_similarity(store)
        assert similarity == "cosine"
        for key in IDS:
            expected = model.embed_documents([f"text of {key}"])[0]
            np.testing.assert_allclose(stored.vectors[stored.row_of[key]], expected, rtol=1e-5)
        query = np.array([model.embed_query("a question")], dtype=np.float32)
        (nearest,) = exact_search(query, stored.vectors, k=K, similarity=similarity)
        found = await store.asimilarity_search("a question", k=K)
        texts = [f"text of {stored.ids[row]}" for row in nearest]
        assert [document.page_content for document in found] == texts
        await store.aclose()

    with ElasticServer() as server:
        asyncio.run(check(server.url))
