"""Tests of LlamaIndex-specific evaluation: postprocessors, single questions, whole indexes."""

from typing import Any

import pytest
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.evaluation.retrieval.base import RetrievalEvalResult
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.schema import TextNode

from llama_index_finetune_plugin import (
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
    RetrieverEvaluator,
    dataset_from_nodes,
)
from query_adapters.errors import InvalidDatasetError, UnreadableStoreError
from tests.integrations.llama_index import ListedRetriever, index_of

RANKINGS = {"first": ["a", "b", "c"], "second": ["b", "a", "c"], "nothing": []}
DATASET = EmbeddingQAFinetuneDataset(
    queries={name: name for name in RANKINGS},
    corpus={"a": "text a", "b": "text b", "c": "text c"},
    relevant_docs={name: ["a"] for name in RANKINGS},
)
RETRIEVER = ListedRetriever(RANKINGS)


def test_node_postprocessors_are_applied() -> None:
    cut = SimilarityPostprocessor(similarity_cutoff=0.7)
    evaluator = RetrieverEvaluator(RETRIEVER, ["hit_rate@3"], node_postprocessors=[cut])
    with pytest.warns(UserWarning, match=r"^hit_rate@3: .* at most 1 for any of 3 questions"):
        scores = evaluator.evaluate_dataset(DATASET)
    assert scores.per_query["hit_rate@3"].tolist() == [1, 0, 0]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_one_question_gives_a_result_of_llama_index(asynchronous: bool) -> None:
    evaluator = RetrieverEvaluator(RETRIEVER, ["mrr@10"])
    if asynchronous:
        result = await evaluator.aevaluate("second", ["a"])
    else:
        result = evaluator.evaluate("second", ["a"])
    assert isinstance(result, RetrievalEvalResult)
    assert result.metric_vals_dict == {"mrr@10": 0.5}
    assert result.retrieved_ids == ["b", "a", "c"]
    assert result.retrieved_texts == ["text b", "text a", "text c"]


async def test_one_id_instead_of_a_list_is_refused_before_anything_is_retrieved() -> None:
    evaluator = RetrieverEvaluator(RETRIEVER, ["mrr@10"])
    told = r"expected a list of .* got 'a'; write \['a'\]"
    with pytest.raises(InvalidDatasetError, match=told):
        evaluator.evaluate("not a known question", "a")
    with pytest.raises(InvalidDatasetError, match=told):
        await evaluator.aevaluate("not a known question", "a")


def test_the_name_of_average_precision_in_llama_index_is_known(make_base: Any) -> None:
    index = index_of({"a": "text a"}, make_base())
    retriever = index.as_retriever(similarity_top_k=4)
    evaluator = RetrieverEvaluator.from_metric_names(["ap", "ap@2"], retriever=retriever)
    assert evaluator.retriever is retriever
    assert evaluator.metrics == ("map@4", "map@2")
    assert RetrieverEvaluator(retriever, "ap").metrics == ("map@4",)


def test_an_empty_list_of_expected_ids_is_refused() -> None:
    with pytest.raises(InvalidDatasetError, match="got none"):
        RetrieverEvaluator(RETRIEVER).evaluate("first", [])


def test_expected_texts_are_recorded_beside_expected_ids() -> None:
    result = RetrieverEvaluator(RETRIEVER, ["mrr@3"]).evaluate("second", ["a"], ["text a"])
    assert (result.expected_ids, result.expected_texts) == (["a"], ["text a"])
    assert result.metric_vals_dict == {"mrr@3": 0.5}


def test_a_mapping_or_an_index_in_place_of_nodes_or_of_an_index() -> None:
    node = TextNode(id_="a", text="text a")
    index = VectorStoreIndex([node], embed_model=MockEmbedding(embed_dim=3))
    by_id = dataset_from_nodes(index.docstore.docs, {"one?": "a"})
    assert dict(by_id.corpus) == {"a": "text a"}
    with pytest.raises(TypeError, match=r"got VectorStoreIndex; of an index, pass index\.docstore"):
        dataset_from_nodes(index, {"one?": "a"})  # type: ignore[arg-type]
    with pytest.raises(
        UnreadableStoreError, match="expected a VectorStoreIndex, got dict; pass the"
    ):
        EmbeddingAdapterFinetuneEngine.from_index({"one?": "a"}, {"a": node})  # type: ignore[arg-type]
