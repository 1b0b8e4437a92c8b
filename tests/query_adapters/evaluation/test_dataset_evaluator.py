"""Test that sequential and concurrent evaluation of a retriever give the same scores."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import UnknownMetricError
from query_adapters.evaluation import DatasetEvaluator
from query_adapters.typing import Run, Texts

DATASET = RetrievalDataset.from_relevant_docs(
    {f"q{i}": f"{i}" for i in range(6)},
    {f"d{i}": f"document {i}" for i in range(6)},
    {f"q{i}": [f"d{i}"] for i in range(6)},
)


class ThreeFrom(DatasetEvaluator):
    """A retriever that returns the relevant document between its two neighbours."""

    running = most_running = 0

    def _retrieved_ids(self, text: str) -> list[str]:
        return [f"d{int(text) + step}" for step in (-1, 0, 1)]

    async def _aretrieved_ids(self, text: str) -> list[str]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        for _ in range(7 - int(text)):  # later questions finish first
            await asyncio.sleep(0)
        self.running -= 1
        return self._retrieved_ids(text)


@pytest.mark.parametrize("workers", [1, 3])
async def test_both_ways_give_one_run_in_the_order_of_the_questions(workers: int) -> None:
    evaluator = ThreeFrom(["mrr", "hit_rate@1"], top_k=3, workers=workers)
    in_turn = evaluator.evaluate_dataset(DATASET)
    at_once = await evaluator.aevaluate_dataset(DATASET)
    assert in_turn.means == at_once.means == {"mrr@3": 0.5, "hit_rate@1": 0}
    assert list(at_once.run) == list(in_turn.run) == list(DATASET.queries)
    assert at_once.run == in_turn.run
    assert evaluator.most_running == workers


class Halved:
    """A model and batch search that find nothing for later questions; it records the texts."""

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed(self, text: str) -> list[float]:
        self.embedded.append(text)
        return [float(text)]

    async def aembed(self, text: str) -> list[float]:
        return self.embed(text)

    def run(self, queries: Texts, vectors: Mapping[str, Sequence[float]]) -> Run:
        rows = {query: int(vectors[text][0]) for query, text in queries.items()}
        return {query: [f"d{row}"] for query, row in rows.items() if row < 3}

    async def arun(self, queries: Texts, vectors: Mapping[str, Sequence[float]]) -> Run:
        return self.run(queries, vectors)


async def test_only_what_a_batch_does_not_find_is_asked() -> None:
    batch, again = Halved(), {"again": "1"}
    queries = dict(reversed([*DATASET.queries.items(), *again.items()]))
    dataset = RetrievalDataset.from_relevant_docs(
        queries, dict(DATASET.corpus), {query: ["d0"] for query in queries}
    )
    evaluator = ThreeFrom(["mrr@3"], workers=1, show_progress=True)
    evaluator._batch = lambda: batch  # type: ignore[method-assign]
    run = evaluator.evaluate_dataset(dataset).run
    assert list(run) == list(queries)
    assert (run["again"], run["q1"], run["q4"]) == (["d1"], ["d1"], ["d3", "d4", "d5"])
    assert sorted(batch.embedded) == sorted(DATASET.queries.values())
    assert (await evaluator.aevaluate_dataset(dataset)).run == run
    assert evaluator.most_running == 1


@pytest.mark.parametrize("metrics", [["mrr"], ["ndgc@10"]])
def test_a_metric_without_a_cutoff_to_go_by_is_refused(metrics: list[str]) -> None:
    with pytest.raises(UnknownMetricError, match="unknown metric"):
        ThreeFrom(metrics)


def test_one_metric_needs_no_list() -> None:
    assert ThreeFrom("ndcg@3").metrics == ("ndcg@3",)
    assert ThreeFrom("mrr", top_k=3).metrics == ("mrr@3",)


def test_only_metrics_that_look_further_than_the_retriever_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"^ndcg@4: expected .* returns 3, "):
        ThreeFrom(["ndcg@4", "mrr@3"], top_k=3)
    ThreeFrom(["ndcg@4"])  # no warning without top_k: the retriever may return that many


def documents(n: int, *, name: str = "d") -> RetrievalDataset:
    return RetrievalDataset.from_relevant_docs(
        {"q1": "1", "q2": "2"},
        {f"{name}{i}": "text" for i in range(n)},
        {"q1": [f"{name}1"], "q2": [f"{name}0"]},
    )


async def test_a_retriever_that_does_not_tell_is_found_to_return_too_few() -> None:
    evaluator = ThreeFrom(["ndcg@4", "recall@10", "mrr@3"])
    told = r"^ndcg@4, recall@10: expected .* at most 3 for any of 2 questions"
    with pytest.warns(UserWarning, match=told) as caught:
        evaluator.evaluate_dataset(documents(4))
    with pytest.warns(UserWarning, match=told):
        await evaluator.aevaluate_dataset(documents(4))
    assert [warning.filename for warning in caught] == [__file__]
    evaluator.evaluate_dataset(documents(3))  # no warning: the corpus has only three
    ThreeFrom(["mrr@3"]).evaluate_dataset(documents(9))


def test_ids_that_are_not_the_datasets_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"none of 4 .*'d0' were .*'node-1' is .*id_key") as caught:
        ThreeFrom(["mrr@3"]).evaluate_dataset(documents(3, name="node-"))
    assert [warning.filename for warning in caught] == [__file__]


class Failing(DatasetEvaluator):
    """A retriever that fails at the third question and counts its calls."""

    asked = 0

    def _retrieved_ids(self, text: str) -> list[str]:
        raise NotImplementedError

    async def _aretrieved_ids(self, text: str) -> list[str]:
        self.asked += 1
        if text == "2":
            raise ConnectionError("the store is gone") from OSError("no route")
        await asyncio.sleep(0)
        return []


async def test_after_an_error_no_more_is_asked_and_it_comes_through_as_it_is() -> None:
    queries = {f"q{i}": f"{i}" for i in range(200)}
    dataset = RetrievalDataset.from_relevant_docs(
        queries, {"d": "document"}, {query: ["d"] for query in queries}
    )
    evaluator = Failing(["mrr@1"], workers=4)
    with pytest.raises(ConnectionError, match="the store is gone") as caught:
        await evaluator.aevaluate_dataset(dataset)
    assert isinstance(caught.value.__cause__, OSError)
    for _ in range(10):
        await asyncio.sleep(0)
    assert evaluator.asked <= 8
    assert asyncio.all_tasks() == {asyncio.current_task()}
