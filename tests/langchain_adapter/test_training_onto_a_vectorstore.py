"""Tests of training on a LangChain vector store: accepted arguments and the model used."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_adapter import EmbeddingAdapterFinetuneEngine, stored_vectors
from langchain_adapter.stores import stored_similarity
from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import gather
from tests.integrations.langchain import store_of
from tests.stores.planted import HELD_OUT, TRAINING


def test_vectors_that_were_read_before_need_a_model(base: Any) -> None:
    store = store_of(HELD_OUT.corpus, base)
    stored = replace(gather(stored_vectors(store)), similarity=stored_similarity(store))
    with pytest.raises(TypeError, match="pass the model that the documents are embedded with"):
        EmbeddingAdapterFinetuneEngine(HELD_OUT, vectorstore=stored)


@pytest.mark.parametrize("given", [True, False])
def test_a_retriever_in_place_of_the_store_is_refused(given: bool, base: Any, output: Path) -> None:
    retriever: Any = InMemoryVectorStore(base).as_retriever()
    told = r"expected a vector store, not a retriever, got VectorStoreRetriever; .*\.vectorstore"
    with pytest.raises(UnreadableStoreError, match=told):
        EmbeddingAdapterFinetuneEngine.from_vectorstore(
            TRAINING, retriever, base if given else None, model_output_path=output
        )
