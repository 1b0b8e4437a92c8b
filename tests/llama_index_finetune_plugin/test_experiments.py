"""Tests of experiments in LlamaIndex: query engines, vectors of the question, texts for models."""

from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, QueryBundle

from llama_index_finetune_plugin import CanaryRetriever, InterleavedRetriever
from query_adapters.experiments import in_session
from tests.integrations.llama_index import ListedRetriever, RecordingEmbedding, index_of

QUESTION = "how far is the harbour?"
TEXTS = {"a": "five miles", "b": "four miles"}


def listed(ids: str) -> ListedRetriever:
    return ListedRetriever({QUESTION: list(ids)})


def test_each_retriever_embeds_the_question_with_its_own_model() -> None:
    one, other = RecordingEmbedding(), RecordingEmbedding(model_name="other", width=16)
    retrievers = [index_of(TEXTS, model).as_retriever(similarity_top_k=2) for model in (one, other)]
    InterleavedRetriever(*retrievers, experiment="x").retrieve(QUESTION)
    for model in (one, other):
        assert model.queries == [QUESTION]


@pytest.mark.parametrize("share", [0, 1])
async def test_a_given_vector_is_the_incumbents(share: float) -> None:
    class Watching(ListedRetriever):
        def _retrieve(self, query_bundle: QueryBundle) -> Any:
            seen[self.rankings[QUESTION][0]].append(query_bundle.embedding)
            return super()._retrieve(query_bundle)

    seen: dict[str, list[Any]] = {"own": [], "other": []}
    own, other = (Watching({QUESTION: [name]}) for name in seen)
    bundle = QueryBundle(QUESTION, embedding=[1.0, 2.0])
    interleaved = InterleavedRetriever(own, other, experiment="x")
    interleaved.retrieve(bundle)
    await interleaved.aretrieve(bundle)
    assert seen == {"own": [[1.0, 2.0]] * 2, "other": [None] * 2}
    with in_session("one"):
        CanaryRetriever(own, other, experiment="x", share=share).retrieve(bundle)
    assert (len(seen["own"]), len(seen["other"])) == ((2, 3) if share else (3, 2))


def test_models_do_not_read_the_team() -> None:
    node = InterleavedRetriever(listed("a"), listed("b"), experiment="x").retrieve(QUESTION)[0].node
    assert "experiments" in node.metadata
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert "experiments" not in node.get_content(mode)


def test_in_a_query_engine() -> None:
    engine = RetrieverQueryEngine.from_args(
        InterleavedRetriever(listed("ab"), listed("ca"), experiment="x"), llm=MockLLM()
    )
    with in_session("one"):
        first, again = (engine.query(QUESTION).source_nodes for _ in range(2))
    assert [one.node_id for one in first] == [one.node_id for one in again]
    assert {one.node_id for one in first} == set("abc")


def test_sends_the_events_of_the_incumbent() -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    own = ListedRetriever({QUESTION: ["a"]})
    own.callback_manager = CallbackManager([handler])
    InterleavedRetriever(own, listed("b"), experiment="x").retrieve(QUESTION)
    assert len(handler.get_event_pairs(CBEventType.RETRIEVE)) == 2  # its own and the joined one
