"""Tests of labels on documents and parents, with LlamaIndex's own parsers and retrievers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.node_parser import (
    HierarchicalNodeParser,
    SentenceSplitter,
    SentenceWindowNodeParser,
    get_leaf_nodes,
)
from llama_index.core.retrievers import AutoMergingRetriever, RecursiveRetriever
from llama_index.core.schema import BaseNode, IndexNode, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore

from llama_index_finetune_plugin import (
    EmbeddingAdapterFinetuneEngine,
    RetrieverEvaluator,
    evaluate_index,
)
from llama_index_finetune_plugin.units import rule_of
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import InvalidDatasetError, UnreadableStoreError
from tests.stores.planted import QUICK, document_vector, query_vector

N_DOCUMENTS, PER_DOCUMENT = 20, 3
DOCUMENTS = [
    Document(
        doc_id=f"document {d}",
        text=" ".join(f"All about subject {PER_DOCUMENT * d + s}." for s in range(PER_DOCUMENT)),
    )
    for d in range(N_DOCUMENTS)
]


def number(text: str) -> str:
    return text.strip().rstrip(".")


@pytest.fixture
def planted(make_base: Callable[..., Any]) -> Any:
    return make_base(
        model_name="planted",
        query=query_vector,
        document=lambda text: document_vector(number(text)),
    )


def questions(kind: str, unit_of: Callable[[int], str]) -> RetrievalDataset:
    """Return a question about every subject with the id of its unit."""
    asked = {f"{kind} subject {n}": unit_of(n) for n in range(N_DOCUMENTS * PER_DOCUMENT)}
    return RetrievalDataset(
        {text: text for text in asked},
        {unit: unit for unit in asked.values()},
        {text: {unit: 1} for text, unit in asked.items()},
    )


def of_document(n: int) -> str:
    return f"document {n // PER_DOCUMENT}"


def trained(
    index: VectorStoreIndex,
    planted: Any,
    unit_of: Callable[[int], str],
    output: Path,
    units: Any = "document",
) -> Any:
    """Return the adapted model, trained on labels of units without embedding a node."""
    planted.calls.clear()
    training = [
        (text, next(iter(grades)))
        for kind in ("how to use", "what is")
        for text, grades in questions(kind, unit_of).qrels.items()
    ]
    engine = EmbeddingAdapterFinetuneEngine.from_index(
        training, index, units=units, model_output_path=output, check_model=False, **QUICK
    )
    engine.finetune()
    assert planted.documents == []
    return engine.get_finetuned_model()


def sentences(index_of: Any, planted: Any) -> VectorStoreIndex:
    return VectorStoreIndex(index_of.get_nodes_from_documents(DOCUMENTS), embed_model=planted)


@pytest.mark.parametrize(
    "parser",
    [
        SentenceSplitter(chunk_size=8, chunk_overlap=0, include_metadata=False),
        SentenceWindowNodeParser.from_defaults(window_size=1),
    ],
    ids=["sentences", "sentence windows"],
)
def test_an_index_of_chunks_is_trained_on_labels_of_documents(
    parser: Any, planted: Any, output: Path
) -> None:
    nodes = parser.get_nodes_from_documents(DOCUMENTS)
    assert len(nodes) == N_DOCUMENTS * PER_DOCUMENT
    for node in nodes:  # a window is embedded with the sentence unless it is excluded
        node.excluded_embed_metadata_keys = list(node.metadata)
    index = VectorStoreIndex(nodes, embed_model=planted)
    adapted = trained(index, planted, of_document, output)
    held_out = questions("why", of_document)
    base = evaluate_index(index, planted, held_out, units="document").means
    exact = evaluate_index(index, adapted, held_out, units="document").means
    assert exact["ndcg@10"] > base["ndcg@10"] + 0.1
    retriever = index.as_retriever(embed_model=adapted, similarity_top_k=len(nodes))
    for batch in (True, False):
        live = RetrieverEvaluator(retriever, units="document", batch=batch)
        assert live.evaluate_dataset(held_out).means == pytest.approx(exact)


def test_leaves_are_trained_on_labels_of_their_parents_and_merged_into_them(
    planted: Any, output: Path
) -> None:
    parser = HierarchicalNodeParser.from_defaults(
        node_parser_ids=["parent", "leaf"],
        node_parser_map={
            "parent": SentenceSplitter(chunk_size=200, chunk_overlap=0),
            "leaf": SentenceSplitter(chunk_size=8, chunk_overlap=0),
        },
    )
    nodes = parser.get_nodes_from_documents(DOCUMENTS)
    leaves = get_leaf_nodes(nodes)
    store = SimpleDocumentStore()
    store.add_documents(nodes)
    context = StorageContext.from_defaults(docstore=store)
    index = VectorStoreIndex(leaves, storage_context=context, embed_model=planted)
    parent_of = {
        int(number(leaf.get_content()).rpartition(" ")[2]): cast(Any, leaf.parent_node).node_id
        for leaf in leaves
    }
    adapted = trained(index, planted, parent_of.__getitem__, output, units="parent")
    held_out = questions("why", parent_of.__getitem__)
    exact = evaluate_index(index, adapted, held_out, units="parent").means
    base = evaluate_index(index, planted, held_out, units="parent").means
    assert exact["ndcg@10"] > base["ndcg@10"] + 0.1
    found = index.as_retriever(embed_model=adapted, similarity_top_k=len(leaves))
    live = RetrieverEvaluator(found, units="parent").evaluate_dataset(held_out)
    assert live.means == pytest.approx(exact)
    few = cast(Any, index.as_retriever(embed_model=adapted, similarity_top_k=6))
    merging = AutoMergingRetriever(few, context, simple_ratio_thresh=0.3)
    merged = RetrieverEvaluator(merging, ["mrr@6"], units="parent").evaluate_dataset(held_out)
    plain = RetrieverEvaluator(few, ["mrr@6"], units="parent").evaluate_dataset(held_out)
    question = "why subject 7"
    kinds = [bool(node.node.child_nodes) for node in merging.retrieve(question)]
    assert any(kinds)  # parents took the place of leaves
    assert set(merged.run[question]) == set(plain.run[question])


def test_summaries_and_chunks_are_trained_on_labels_of_what_they_refer_to(
    planted: Any, output: Path
) -> None:
    chunks = [TextNode(id_=f"chunk {d}", text=d_.text) for d, d_ in enumerate(DOCUMENTS)]
    summaries: list[BaseNode] = [
        IndexNode(text=f"summary of subject {n}", index_id=f"chunk {n // PER_DOCUMENT}")
        for n in range(N_DOCUMENTS * PER_DOCUMENT)
    ]
    index = VectorStoreIndex([*chunks, *summaries], embed_model=planted)

    def unit_of(n: int) -> str:
        return f"chunk {n // PER_DOCUMENT}"

    adapted = trained(index, planted, unit_of, output, units="index_id")
    held_out = questions("why", unit_of)
    exact = evaluate_index(index, adapted, held_out, units="index_id").means
    base = evaluate_index(index, planted, held_out, units="index_id").means
    assert exact["ndcg@10"] > base["ndcg@10"] + 0.1
    n_nodes = len(chunks) + len(summaries)
    found = index.as_retriever(embed_model=adapted, similarity_top_k=n_nodes)
    recursive = RecursiveRetriever(
        "root", {"root": found}, node_dict={chunk.node_id: chunk for chunk in chunks}
    )
    live = RetrieverEvaluator(recursive, units="index_id").evaluate_dataset(held_out).means
    assert live == pytest.approx(exact)


def test_an_id_of_a_document_points_to_the_option(planted: Any, output: Path) -> None:
    index = sentences(SentenceSplitter(chunk_size=8, chunk_overlap=0), planted)
    with pytest.raises(InvalidDatasetError, match=r'source document.*pass units="document"'):
        EmbeddingAdapterFinetuneEngine.from_index(
            [("who?", "document 3")], index, model_output_path=output
        )


def test_nodes_without_a_source_or_a_parent_are_refused(planted: Any, output: Path) -> None:
    index = VectorStoreIndex([TextNode(id_="n1", text="alone")], embed_model=planted)
    for units in ("document", "parent"):
        with pytest.raises(InvalidDatasetError, match=f"units='{units}', got none for 1 of 1"):
            EmbeddingAdapterFinetuneEngine.from_index(
                [("who?", "d")], index, units=units, model_output_path=output
            )


def test_a_document_is_its_own_unit() -> None:
    rule = rule_of("document")
    assert rule is not None
    assert rule(DOCUMENTS[3]) == "document 3"


def test_a_store_without_its_index_has_no_nodes(planted: Any) -> None:
    store = sentences(SentenceSplitter(chunk_size=8, chunk_overlap=0), planted).vector_store
    with pytest.raises(UnreadableStoreError, match="a VectorStoreIndex"):
        evaluate_index(store, planted, questions("why", of_document), units="document")
