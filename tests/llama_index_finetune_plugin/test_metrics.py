"""Test that LlamaIndex's evaluator finds our metrics and its table accepts our results."""

from collections.abc import Iterator

import numpy as np
import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.evaluation import RetrieverEvaluator as CoreEvaluator
from llama_index.core.evaluation.notebook_utils import get_retrieval_results_df
from llama_index.core.evaluation.retrieval.metrics import METRIC_REGISTRY, HitRate
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset, RetrieverEvaluator
from llama_index_finetune_plugin.metrics import CUTS, register_metrics, to_eval_results
from query_adapters.errors import InvalidDatasetError, UnknownMetricError
from query_adapters.evaluation import METRICS, Evaluation, evaluate_run

RANKINGS = {"first": ["a", "b", "c"], "second": ["b", "b", "a"], "nothing": []}
DATASET = EmbeddingQAFinetuneDataset(
    queries={f"id of {name}": name for name in RANKINGS},
    corpus={"a": "text a", "b": "text b", "c": "text c"},
    relevant_docs={f"id of {name}": ["a", "c"] for name in RANKINGS},
)
NAMES = ["hit_rate@1", "mrr@3", "ndcg@10", "r_precision@5"]


class ListedRetriever(BaseRetriever):
    """A retriever that returns listed ids."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        ids = RANKINGS[query_bundle.query_str]
        return [NodeWithScore(node=TextNode(id_=key, text=f"text {key}")) for key in ids]


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Restore LlamaIndex's metric registry after the test."""
    before = dict(METRIC_REGISTRY)
    yield
    METRIC_REGISTRY.clear()
    METRIC_REGISTRY.update(before)


def test_llama_indexs_evaluator_finds_them_and_scores_as_ours_does() -> None:
    register_metrics(NAMES)
    theirs = CoreEvaluator.from_metric_names(NAMES, retriever=ListedRetriever())
    ours = RetrieverEvaluator(ListedRetriever(), NAMES).evaluate_dataset(DATASET)
    for row, text in enumerate(RANKINGS):
        found = theirs.evaluate(text, ["a", "c"]).metric_vals_dict
        assert found == {name: values[row] for name, values in ours.per_query.items()}


def test_unasked_every_metric_is_registered_at_usual_cuts_beside_llama_indexs_own() -> None:
    registered = register_metrics()
    assert {metric.metric_name for metric in registered} == {
        f"{name}@{k}" for name in METRICS for k in CUTS
    }
    assert set(METRIC_REGISTRY) >= {"ndcg@100", "r_precision@1", "hit_rate"}
    assert METRIC_REGISTRY["hit_rate"] is HitRate


def test_nothing_is_registered_unasked() -> None:
    assert not [name for name in METRIC_REGISTRY if "@" in name]


def test_an_unknown_metric_is_refused_and_registers_nothing() -> None:
    with pytest.raises(UnknownMetricError, match="'ndgc@10'"):
        register_metrics(["ndcg@10", "ndgc@10"])
    assert "ndcg@10" not in METRIC_REGISTRY


@pytest.mark.parametrize(("expected", "retrieved"), [([], ["a"]), (None, ["a"]), (["a"], None)])
def test_a_score_of_nothing_is_refused(
    expected: list[str] | None, retrieved: list[str] | None
) -> None:
    (metric,) = register_metrics(["mrr@3"])
    with pytest.raises(ValueError, match="mrr@3: expected ids"):
        metric().compute(expected_ids=expected, retrieved_ids=retrieved)


def test_llama_indexs_table_takes_our_results() -> None:
    ours = RetrieverEvaluator(ListedRetriever(), NAMES).evaluate_dataset(DATASET)
    results = to_eval_results(ours, DATASET)
    assert [result.query for result in results] == list(RANKINGS)
    assert results[1].retrieved_texts == ["text b", "text a"]
    assert results[1].expected_texts == ["text a", "text c"]
    table = get_retrieval_results_df(["ours"], [results], metric_keys=NAMES)
    assert table[NAMES].iloc[0].to_dict() == pytest.approx(ours.means)


@pytest.mark.parametrize(
    "evaluation",
    [Evaluation({"mrr@3": np.ones(3)}), evaluate_run({}, {"other": {"a": 1}})],
)
def test_results_of_other_questions_are_refused(evaluation: Evaluation) -> None:
    with pytest.raises(InvalidDatasetError, match="ids of the dataset's questions"):
        to_eval_results(evaluation, DATASET)
