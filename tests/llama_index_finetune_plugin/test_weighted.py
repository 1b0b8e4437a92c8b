"""Tests of learned weights of LlamaIndex retrievers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import RetrieverTool
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from llama_index_finetune_plugin import (
    FusionFinetuneEngine,
    HybridWeightFinetuneEngine,
    RetrieverEvaluator,
    WeightedFusionRetriever,
)
from tests.docs.hashed_words import HELD_OUT, TRAINING, HashedWords
from tests.integrations.llama_index import RecordingEmbedding, index_of
from tests.integrations.weighted_contract import (
    Script,
    Weighing,
    WeightedContract,
    fixed,
    lexical_of,
    weights_of,
)

QUESTION = "how far is the harbour?"


class ScriptedRetriever(BaseRetriever):
    """A retriever that does what its script says."""

    def __init__(self, script: Script, **options: Any) -> None:
        self.script = script
        super().__init__(**options)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return nodes(self.script(query_bundle.query_str))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return nodes(await self.script.later(query_bundle.query_str))


def nodes(found: Any) -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(id_=key, text=f"text {key}"), score=score)
        for key, score in found
    ]


def results(found: list[NodeWithScore]) -> list[tuple[str, float | None]]:
    return [(one.node.node_id, one.score) for one in found]


async def afound(retriever: BaseRetriever, question: str) -> list[tuple[str, float | None]]:
    return results(await retriever.aretrieve(question))


class TestContract(WeightedContract):
    @pytest.fixture
    def weighing(self) -> Weighing:
        return Weighing(
            scripted=ScriptedRetriever,
            engine=FusionFinetuneEngine,
            hybrid_engine=HybridWeightFinetuneEngine,
            retriever=WeightedFusionRetriever,
            top="similarity_top_k",
            found=lambda retriever, question: results(retriever.retrieve(question)),
            afound=afound,
            evaluator=RetrieverEvaluator,
        )


def two(callbacks: CallbackManager | None = None) -> WeightedFusionRetriever:
    retrievers = [
        ScriptedRetriever(fixed({"a": 5, "b": 4, "c": 1}), callback_manager=callbacks),
        ScriptedRetriever(fixed({"d": 3, "c": 2, "a": 1})),
    ]
    return WeightedFusionRetriever(retrievers, weights_of(1, 0.5))


class TestServing:
    def test_in_a_query_engine_with_postprocessors(self) -> None:
        engine = RetrieverQueryEngine.from_args(
            two(),
            llm=MockLLM(),
            node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=1.0)],
        )
        assert results(engine.query(QUESTION).source_nodes) == [("a", 2.0), ("b", 1.5)]

    def test_as_a_tool(self) -> None:
        tool = RetrieverTool.from_defaults(two(), description="finds texts")
        assert tool.call(QUESTION).content.split("\n\n")[:2] == ["text a", "text b"]

    def test_sends_the_events_of_the_first_retriever(self) -> None:
        handler = LlamaDebugHandler(print_trace_on_end=False)
        retriever = two(CallbackManager([handler]))
        retriever.retrieve(QUESTION)
        assert len(handler.get_event_pairs(CBEventType.RETRIEVE)) == 2  # its own and the fusion's

    def test_each_retriever_embeds_the_question_with_its_own_model(self) -> None:
        texts = {"a": "five miles", "b": "four miles"}
        one, other = RecordingEmbedding(), RecordingEmbedding(model_name="other", width=16)
        retrievers = [
            index_of(texts, model).as_retriever(similarity_top_k=2) for model in (one, other)
        ]
        retriever = WeightedFusionRetriever(retrievers, weights_of(1, 1))
        assert {key for key, _ in results(retriever.retrieve(QUESTION))} == {"a", "b"}
        for model in (one, other):
            assert model.queries == [QUESTION]

    def test_a_given_vector_is_the_first_retrievers(self) -> None:
        seen: list[Any] = []

        class Watching(ScriptedRetriever):
            def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
                seen.append(query_bundle.embedding)
                return super()._retrieve(query_bundle)

        retrievers = [Watching(fixed({"a": 2, "b": 1})) for _ in range(2)]
        retriever = WeightedFusionRetriever(retrievers, weights_of(1, 1))
        retriever.retrieve(QueryBundle(QUESTION, embedding=[1.0, 2.0]))
        assert seen == [[1.0, 2.0], None]

    def test_other_things_are_refused_with_what_to_pass(self) -> None:
        index = index_of({"a": "text"}, RecordingEmbedding())
        with pytest.raises(TypeError, match=r"got VectorStoreIndex; pass index.as_retriever"):
            FusionFinetuneEngine({QUESTION: "a"}, [index, index])  # type: ignore[list-item]


class LexicalRetriever(BaseRetriever):
    """A retriever by exact words with BM25's scores."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.lexical, self.texts = lexical_of(texts), texts
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return nodes(self.lexical(query_bundle.query_str))


@pytest.mark.slow
class TestRealTexts:
    def test_dense_and_lexical_retrievers_together_beat_the_dense_one(self, output: Path) -> None:
        index = index_of(TRAINING.corpus, HashedWords())
        dense = index.as_retriever(similarity_top_k=50)
        engine = FusionFinetuneEngine(
            TRAINING, [dense, LexicalRetriever(TRAINING.corpus)], model_output_path=output
        )
        engine.finetune()
        base, fused = (
            RetrieverEvaluator(retriever, ["ndcg@10"]).evaluate_dataset(HELD_OUT)
            for retriever in (dense, engine.get_finetuned_retriever())
        )
        assert fused.means["ndcg@10"] > base.means["ndcg@10"] + 0.05

    @pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
    def test_the_weight_of_qdrants_hybrid_query_is_learned(self, output: Path) -> None:
        index = hybrid_index(HYBRID_TEXTS)
        engine = HybridWeightFinetuneEngine(
            {f"what is word{number}?": key for number, key in enumerate(HYBRID_TEXTS)},
            lambda alpha: index.as_retriever(
                vector_store_query_mode="hybrid", alpha=alpha, similarity_top_k=10, sparse_top_k=10
            ),
            alphas=(0, 0.5, 1),
            base_alpha=1,
            model_output_path=output,
        )
        engine.finetune()
        assert engine.result.alpha < 1
        assert engine.result.means[engine.result.alpha] > 0.9 > engine.result.means[1.0]
        retriever = engine.get_finetuned_retriever()
        assert retriever.retrieve("what is word3?")[0].node_id == list(HYBRID_TEXTS)[3]


HYBRID_TEXTS = {
    str(uuid5(NAMESPACE_DNS, str(number))): f"text about word{number}" for number in range(30)
}


def hybrid_index(texts: Mapping[str, str]) -> VectorStoreIndex:
    """Return an index whose vectors say nothing, and whose sparse vectors count words."""

    def sparse(batch: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        words = [sorted({int(word) for word in re.findall("word([0-9]+)", t)}) for t in batch]
        return words, [[1.0] * len(found) for found in words]

    store = QdrantVectorStore(
        "texts",
        client=QdrantClient(":memory:"),
        enable_hybrid=True,
        sparse_doc_fn=sparse,
        sparse_query_fn=sparse,
    )
    context = StorageContext.from_defaults(vector_store=store)
    documents = [TextNode(id_=key, text=text) for key, text in texts.items()]
    return VectorStoreIndex(documents, storage_context=context, embed_model=RecordingEmbedding())
