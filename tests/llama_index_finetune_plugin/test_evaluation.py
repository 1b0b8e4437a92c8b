"""What LlamaIndex adds to the evaluator: postprocessors, single questions, whole indexes."""

from typing import Any

import pytest
from llama_index.core import MockEmbedding
from llama_index.core.evaluation.retrieval.base import RetrievalEvalResult
from llama_index.core.postprocessor import SimilarityPostprocessor

from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset, RetrieverEvaluator
from llama_index_finetune_plugin.evaluation import evaluate_index
from query_adapters.errors import (
    DimensionMismatchError,
    InvalidDatasetError,
)
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


def test_an_index_scores_as_its_retriever_does(make_base: Any) -> None:
    corpus = {f"d{i}": f"text {i}" for i in range(30)}
    queries = {f"q{i}": f"question {i}" for i in range(20)}
    dataset = EmbeddingQAFinetuneDataset(
        queries=queries, corpus=corpus, relevant_docs={q: [f"d{i}"] for i, q in enumerate(queries)}
    )
    model = make_base()
    index = index_of(corpus, model)
    by_index = evaluate_index(index, model, dataset, metrics=["mrr@10", "recall@3"])
    retriever = index.as_retriever(similarity_top_k=10)
    by_retriever = RetrieverEvaluator(retriever, ["mrr@10", "recall@3"]).evaluate_dataset(dataset)
    assert by_index.run == by_retriever.run
    assert by_index.means == by_retriever.means


def test_an_index_of_another_model_is_refused(make_base: Any) -> None:
    index = index_of({"a": "a"}, make_base())
    with pytest.raises(DimensionMismatchError, match="document vectors: expected 3 dimensions"):
        evaluate_index(index, MockEmbedding(embed_dim=3), DATASET)


def test_an_index_without_the_relevant_documents_is_refused_before_anything_is_embedded(
    make_base: Any,
) -> None:
    index = index_of({"uuid-1": "uuid-1", "uuid-2": "uuid-2"}, make_base())
    model = MockEmbedding(embed_dim=3)  # another error, if a question were embedded
    with pytest.raises(InvalidDatasetError, match=r"1 of 1 .*'a', where .*'uuid-1'; .*by their id"):
        evaluate_index(index, model, DATASET)


def test_relevant_documents_missing_from_an_index_are_warned_of(make_base: Any) -> None:
    model = make_base()
    index = index_of({"a": "text a"}, model)
    dataset = EmbeddingQAFinetuneDataset(
        queries={"1": "one", "2": "two"},
        corpus={"a": "text a", "b": "text b"},
        relevant_docs={"1": ["a"], "2": ["b"]},
    )
    with pytest.warns(UserWarning, match=r"1 of 2 that are not, such as 'b'") as caught:
        scores = evaluate_index(index, model, dataset, metrics=["mrr@1"])
    assert caught[0].filename == __file__
    assert scores.per_query["mrr@1"].tolist() == [1, 0]
