"""Tests of labels on parents, with LangChain's own retrievers of parents."""

from pathlib import Path
from typing import Any

import pytest
from langchain_classic.retrievers import MultiVectorRetriever, ParentDocumentRetriever
from langchain_core.documents import Document
from langchain_core.stores import InMemoryStore
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_text_splitters import CharacterTextSplitter

from langchain_adapter import (
    EmbeddingAdapterFinetuneEngine,
    RetrieverEvaluator,
    evaluate_vectorstore,
    langsmith_evaluator,
)
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import InvalidDatasetError, UnreadableStoreError
from tests.stores.planted import QUICK, document_vector, query_vector

N_PARENTS, PER_PARENT = 20, 3
PARENTS = {
    f"parent {p}": Document(
        "\n\n".join(f"all about subject {PER_PARENT * p + part}" for part in range(PER_PARENT)),
        metadata={"source": f"file {p % 4}.txt"},
    )
    for p in range(N_PARENTS)
}


def questions(kind: str) -> RetrievalDataset:
    """Return questions about every child with the id of its parent."""
    asked = {
        f"{kind} subject {n}": f"parent {n // PER_PARENT}" for n in range(N_PARENTS * PER_PARENT)
    }
    return RetrievalDataset(
        {text: text for text in asked},
        {key: document.page_content for key, document in PARENTS.items()},
        {text: {parent: 1} for text, parent in asked.items()},
    )


@pytest.fixture
def planted(make_base: Any) -> Any:
    return make_base(model_name="planted", query=query_vector, document=document_vector)


def parent_retriever(model: Any) -> ParentDocumentRetriever:
    retriever = ParentDocumentRetriever(
        vectorstore=InMemoryVectorStore(model),
        docstore=InMemoryStore(),
        child_splitter=CharacterTextSplitter(chunk_size=25, chunk_overlap=0),
        search_kwargs={"k": 9},
    )
    retriever.add_documents(list(PARENTS.values()), ids=list(PARENTS))
    return retriever


def multi_vector_retriever(model: Any) -> MultiVectorRetriever:
    """Return a retriever whose parents are stored by summaries and hypothetical questions."""
    retriever = MultiVectorRetriever(
        vectorstore=InMemoryVectorStore(model),
        docstore=InMemoryStore(),
        id_key="parent_id",
        search_kwargs={"k": 9},
    )
    vectors = [
        Document(f"{kind} subject {PER_PARENT * p + part}", metadata={"parent_id": key})
        for p, key in enumerate(PARENTS)
        for part, kind in enumerate(("summary of", "a question about", "keywords of"))
    ]
    retriever.vectorstore.add_documents(vectors)
    retriever.docstore.mset(list(PARENTS.items()))
    return retriever


@pytest.mark.parametrize("make", [parent_retriever, multi_vector_retriever])
def test_a_retriever_of_parents_is_trained_on_labels_of_parents(
    make: Any, planted: Any, output: Path
) -> None:
    retriever = make(planted)
    planted.calls.clear()
    engine = EmbeddingAdapterFinetuneEngine.from_vectorstore(
        [(q, next(iter(grades))) for kind in ("how to use", "what is")
         for q, grades in questions(kind).qrels.items()],
        retriever.vectorstore,
        units=retriever.id_key,
        model_output_path=output,
        check_model=False,
        **QUICK,
    )  # fmt: skip
    engine.finetune()
    assert planted.documents == []
    adapted, held_out = engine.get_finetuned_model(), questions("why")
    base = evaluate_vectorstore(retriever.vectorstore, planted, held_out, units=retriever.id_key)
    exact = evaluate_vectorstore(retriever.vectorstore, adapted, held_out, units=retriever.id_key)
    assert exact.means["ndcg@10"] > base.means["ndcg@10"] + 0.1

    served = InMemoryVectorStore(adapted)
    served.store = retriever.vectorstore.store
    children = served.as_retriever(search_kwargs={"k": N_PARENTS * PER_PARENT})
    live = RetrieverEvaluator(children, units=retriever.id_key).evaluate_dataset(held_out)
    assert live.means == pytest.approx(exact.means)
    parents = retriever.model_copy(update={"vectorstore": served}).invoke("why subject 7")
    found = [next(key for key, held in PARENTS.items() if held == p) for p in parents]
    assert found == live.run["why subject 7"][: len(found)]
    assert planted.documents == []


def test_the_source_is_a_unit_only_if_it_is_named(planted: Any, output: Path) -> None:
    store = parent_retriever(planted).vectorstore
    told = r"units='document', got none for 60 of 60.*keys are \['doc_id', 'source'\]"
    with pytest.raises(InvalidDatasetError, match=told):
        EmbeddingAdapterFinetuneEngine.from_vectorstore(
            [("who?", "file 1.txt")], store, units="document", model_output_path=output
        )
    with pytest.raises(InvalidDatasetError, match=r'metadata key.*units="doc_id"'):
        EmbeddingAdapterFinetuneEngine.from_vectorstore(
            [("who?", "parent 1")], store, model_output_path=output
        )


def test_a_parent_without_an_id_is_named_in_an_evaluation(planted: Any) -> None:
    evaluator = RetrieverEvaluator(parent_retriever(planted), ["mrr@9"], units="doc_id")
    with pytest.raises(
        InvalidDatasetError, match=r"units='doc_id'.*the metadata keys \['source'\]"
    ):
        evaluator.evaluate_dataset(questions("why"))


def test_langsmith_scores_units() -> None:
    found = [
        Document(text, metadata={"doc_id": key})
        for text, key in (("1", "a"), ("2", "a"), ("3", "b"))
    ]
    evaluator = langsmith_evaluator(["mrr@2"], units="doc_id")
    assert evaluator({"documents": found}, {"relevant_docs": "b"}) == [
        {"key": "mrr@2", "score": 0.5}
    ]


def test_ids_of_documents_and_of_units_are_not_both_read(planted: Any) -> None:
    with pytest.raises(ValueError, match="got id_key='_id' and units='doc_id'"):
        RetrieverEvaluator(parent_retriever(planted), ["mrr@9"], units="doc_id", id_key="_id")


def test_blocks_of_vectors_have_no_metadata(planted: Any) -> None:
    blocks: Any = [(["a"], [[1.0, 0.0]])]
    with pytest.raises(UnreadableStoreError, match="whose documents have metadata, to read units"):
        evaluate_vectorstore(blocks, planted, questions("why"), units="doc_id")
