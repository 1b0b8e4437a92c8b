"""Tests of training on a LangChain vector store: accepted arguments and the model used."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_adapter import EmbeddingAdapterFinetuneEngine, stored_vectors
from langchain_adapter.stores import stored_similarity
from query_adapters.errors import AdapterMismatchError, UnreadableStoreError
from query_adapters.stores import gather
from tests.integrations.langchain import make_base, store_of
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


def test_the_model_is_checked_on_a_chroma_store_without_metadata(
    base: Any, output: Path, tmp_path: Path
) -> None:
    store = Chroma("documents", base, persist_directory=str(tmp_path / "chroma"))
    store.add_texts(list(HELD_OUT.corpus.values()), ids=list(HELD_OUT.corpus))
    EmbeddingAdapterFinetuneEngine.from_vectorstore(TRAINING, store, model_output_path=output)
    another = make_base(document=lambda text: [float(len(text)), *map(float, range(7))])
    with pytest.raises(AdapterMismatchError, match="Chroma: these vectors were not made by"):
        EmbeddingAdapterFinetuneEngine.from_vectorstore(
            TRAINING, store, another, model_output_path=output
        )


class ForgetfulStore(InMemoryVectorStore):
    """A store that cannot return its first document."""

    def get_by_ids(self, ids: Any, /) -> list[Document]:
        if ids[0] == next(iter(self.store)):
            raise ConnectionError
        return super().get_by_ids(ids)


def test_a_document_that_cannot_be_returned_does_not_prevent_the_check(
    base: Any, output: Path
) -> None:
    store = ForgetfulStore(base)
    store.store = store_of(HELD_OUT.corpus, base).store
    another = make_base(document=lambda text: [float(len(text)), *map(float, range(7))])
    with pytest.raises(AdapterMismatchError, match="of 2 documents"):
        EmbeddingAdapterFinetuneEngine.from_vectorstore(
            TRAINING, store, another, model_output_path=output
        )
