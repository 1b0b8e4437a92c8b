"""The evaluator scores what a real retriever returns."""

import asyncio
from typing import Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.evaluation.retrieval.base import RetrievalEvalResult
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset, RetrieverEvaluator
from llama_index_finetune_plugin.evaluation import evaluate_index
from query_adapters.errors import (
    DimensionMismatchError,
    InvalidDatasetError,
    UnknownMetricError,
)

RANKINGS = {
    "first": ["a", "b", "c"],
    "second": ["b", "a", "c"],
    "repeats": ["b", "b", "a"],
    "nothing": [],
}
DATASET = EmbeddingQAFinetuneDataset(
    queries={name: name for name in RANKINGS},
    corpus={"a": "text a", "b": "text b", "c": "text c"},
    relevant_docs={name: ["a"] for name in RANKINGS},
)


class ListedRetriever(BaseRetriever):
    """Returns listed ids, with scores falling from 0.9; counts how many calls overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.most_running = 0

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        ids = RANKINGS[query_bundle.query_str]
        return [
            NodeWithScore(node=TextNode(id_=key, text=f"text {key}"), score=0.9 - 0.3 * place)
            for place, key in enumerate(ids)
        ]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0.01)
        self.running -= 1
        return self._retrieve(query_bundle)


def test_scores_are_those_worked_out_by_hand() -> None:
    scores = RetrieverEvaluator(ListedRetriever(), ["hit_rate@1", "mrr@3"]).evaluate_dataset(
        DATASET
    )
    assert scores.query_ids == ("first", "second", "repeats", "nothing")
    assert scores.per_query["hit_rate@1"].tolist() == [1, 0, 0, 0]
    assert scores.per_query["mrr@3"].tolist() == [1, 0.5, 0.5, 0]
    assert scores.means == {"hit_rate@1": 0.25, "mrr@3": 0.5}


async def test_the_async_way_gives_the_same_within_its_bound() -> None:
    retriever = ListedRetriever()
    evaluator = RetrieverEvaluator(retriever, workers=2)
    scores = await evaluator.aevaluate_dataset(DATASET)
    assert scores.means == evaluator.evaluate_dataset(DATASET).means
    assert scores.run["second"] == ["b", "a", "c"]
    assert retriever.most_running == 2


def test_node_postprocessors_are_honoured() -> None:
    cut = SimilarityPostprocessor(similarity_cutoff=0.7)
    evaluator = RetrieverEvaluator(ListedRetriever(), ["hit_rate@3"], node_postprocessors=[cut])
    with pytest.warns(UserWarning, match=r"^hit_rate@3: .* at most 1 for any of 4 questions"):
        scores = evaluator.evaluate_dataset(DATASET)
    assert scores.per_query["hit_rate@3"].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_one_question_gives_llama_index_own_result(asynchronous: bool) -> None:
    evaluator = RetrieverEvaluator(ListedRetriever(), ["mrr@10"])
    if asynchronous:
        result = await evaluator.aevaluate("second", ["a"])
    else:
        result = evaluator.evaluate("second", ["a"])
    assert isinstance(result, RetrievalEvalResult)
    assert result.metric_vals_dict == {"mrr@10": 0.5}
    assert result.retrieved_ids == ["b", "a", "c"]
    assert result.retrieved_texts == ["text b", "text a", "text c"]


async def test_one_id_instead_of_a_list_is_refused_before_anything_is_asked() -> None:
    evaluator = RetrieverEvaluator(ListedRetriever(), ["mrr@10"])
    told = r"expected a list of .* got 'a'; write \['a'\]"
    with pytest.raises(InvalidDatasetError, match=told):
        evaluator.evaluate("not a known question", "a")
    with pytest.raises(InvalidDatasetError, match=told):
        await evaluator.aevaluate("not a known question", "a")


def test_a_metric_without_cutoff_takes_the_retrievers(make_base: Any) -> None:
    from llama_index.core import VectorStoreIndex

    index = VectorStoreIndex([TextNode(id_="a", text="text a")], embed_model=make_base())
    retriever = index.as_retriever(similarity_top_k=4)
    evaluator = RetrieverEvaluator.from_metric_names(["mrr", "hit_rate@1"], retriever=retriever)
    assert evaluator.metrics == ("mrr@4", "hit_rate@1")
    with pytest.raises(UnknownMetricError, match="'mrr'; expected <name>@<k>"):
        RetrieverEvaluator(ListedRetriever(), ["mrr"])


def test_llama_index_own_name_of_average_precision_is_known(make_base: Any) -> None:
    from llama_index.core import VectorStoreIndex

    index = VectorStoreIndex([TextNode(id_="a", text="text a")], embed_model=make_base())
    retriever = index.as_retriever(similarity_top_k=4)
    evaluator = RetrieverEvaluator.from_metric_names(["ap", "ap@2"], retriever=retriever)
    assert evaluator.metrics == ("map@4", "map@2")
    assert RetrieverEvaluator(retriever, "ap").metrics == ("map@4",)


def test_an_index_is_no_retriever(make_base: Any) -> None:
    from llama_index.core import VectorStoreIndex

    index: Any = VectorStoreIndex([TextNode(id_="a", text="text a")], embed_model=make_base())
    with pytest.raises(TypeError, match=r"got VectorStoreIndex; give index\.as_retriever"):
        RetrieverEvaluator(index)


def test_bad_arguments_are_refused_at_once() -> None:
    with pytest.raises(UnknownMetricError, match="ndgc@10"):
        RetrieverEvaluator(ListedRetriever(), ["ndgc@10"])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        RetrieverEvaluator(ListedRetriever(), workers=0)
    with pytest.raises(InvalidDatasetError, match="got none"):
        RetrieverEvaluator(ListedRetriever()).evaluate("first", [])


def test_an_index_scores_as_its_retriever_does(make_base: Any) -> None:
    from llama_index.core import VectorStoreIndex

    corpus = {f"d{i}": f"text {i}" for i in range(30)}
    queries = {f"q{i}": f"question {i}" for i in range(20)}
    dataset = EmbeddingQAFinetuneDataset(
        queries=queries, corpus=corpus, relevant_docs={q: [f"d{i}"] for i, q in enumerate(queries)}
    )
    nodes = [TextNode(id_=key, text=text) for key, text in corpus.items()]
    model = make_base()
    index = VectorStoreIndex(nodes, embed_model=model)
    by_index = evaluate_index(index, model, dataset, metrics=["mrr@10", "recall@3"])
    retriever = index.as_retriever(similarity_top_k=10)
    by_retriever = RetrieverEvaluator(retriever, ["mrr@10", "recall@3"]).evaluate_dataset(dataset)
    assert by_index.run == by_retriever.run
    assert by_index.means == by_retriever.means


def test_an_index_of_another_model_is_refused(make_base: Any) -> None:
    from llama_index.core import MockEmbedding, VectorStoreIndex

    index = VectorStoreIndex([TextNode(id_="a", text="a")], embed_model=make_base())
    with pytest.raises(DimensionMismatchError, match="document vectors: expected 3 dimensions"):
        evaluate_index(index, MockEmbedding(embed_dim=3), DATASET)


def test_an_index_without_the_relevant_documents_is_refused_before_anything_is_embedded(
    make_base: Any,
) -> None:
    from llama_index.core import MockEmbedding, VectorStoreIndex

    nodes = [TextNode(id_=key, text=key) for key in ("uuid-1", "uuid-2")]
    index = VectorStoreIndex(nodes, embed_model=make_base())
    model = MockEmbedding(embed_dim=3)  # another error, if a question were embedded
    with pytest.raises(InvalidDatasetError, match=r"1 of 1 .*'a', where .*'uuid-1'; .*by their id"):
        evaluate_index(index, model, DATASET)


def test_relevant_documents_missing_from_an_index_are_warned_of(make_base: Any) -> None:
    from llama_index.core import VectorStoreIndex

    model = make_base()
    index = VectorStoreIndex([TextNode(id_="a", text="text a")], embed_model=model)
    dataset = EmbeddingQAFinetuneDataset(
        queries={"1": "one", "2": "two"},
        corpus={"a": "text a", "b": "text b"},
        relevant_docs={"1": ["a"], "2": ["b"]},
    )
    with pytest.warns(UserWarning, match=r"1 of 2 that are not, such as 'b'") as caught:
        scores = evaluate_index(index, model, dataset, metrics=["mrr@1"])
    assert caught[0].filename == __file__
    assert scores.per_query["mrr@1"].tolist() == [1, 0]
