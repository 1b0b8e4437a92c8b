"""Test that the default hybrids rank as the frameworks' own classes do."""

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_classic.retrievers import EnsembleRetriever
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from query_adapters.fusion.hybrids import reciprocal_rank_fusion, relative_score_fusion

KEYS = [f"d{number}" for number in range(12)]
SCORES = st.sampled_from([-1.5, 0.0, 0.25, 0.3, 0.7, 2.0, 11.0])


class Known(BaseRetriever):
    """Returns documents with these scores, in their order."""

    def __init__(self, scores: dict[str, float]) -> None:
        self._scores = scores
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._scores.items()
        return [NodeWithScore(node=TextNode(id_=key, text=key), score=s) for key, s in found]


@st.composite
def results(draw: st.DrawFn) -> dict[str, float]:
    """Draw scores by id, best first, many of them equal."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    scores = draw(st.lists(SCORES, min_size=len(keys), max_size=len(keys)))
    return dict(zip(keys, sorted(scores, reverse=True), strict=True))


def fused_by_llama_index(pair: list[dict[str, float]], mode: Any) -> list[str]:
    fusion = QueryFusionRetriever(
        [Known(scores) for scores in pair],
        llm=MockLLM(),
        mode=mode,
        similarity_top_k=len(KEYS),
        num_queries=1,
        use_async=False,
    )
    return [found.node.node_id for found in fusion.retrieve("question")]


def documents_of(keys: list[str], _: str) -> list[Document]:
    return [Document(key) for key in keys]


def fused_by_langchain(pair: list[dict[str, float]]) -> list[str]:
    retrievers: Any = [RunnableLambda(partial(documents_of, list(scores))) for scores in pair]
    fusion = EnsembleRetriever(retrievers=retrievers, weights=[0.5, 0.5])
    return [found.page_content for found in fusion.invoke("question")]


@given(pair=st.lists(results(), min_size=2, max_size=2))
def test_rank_fusion_is_that_of_langchain(pair: list[dict[str, float]]) -> None:
    assert reciprocal_rank_fusion([list(one) for one in pair]) == fused_by_langchain(pair)


@given(pair=st.lists(results(), min_size=2, max_size=2))
def test_rank_fusion_is_that_of_llama_index_which_counts_ranks_from_0(
    pair: list[dict[str, float]],
) -> None:
    ours = reciprocal_rank_fusion([list(one) for one in pair], constant=59)
    assert ours == fused_by_llama_index(pair, "reciprocal_rerank")


@given(pair=st.lists(results(), min_size=2, max_size=2))
def test_relative_scores_are_those_of_llama_index(pair: list[dict[str, float]]) -> None:
    assert relative_score_fusion(pair) == fused_by_llama_index(pair, "relative_score")
