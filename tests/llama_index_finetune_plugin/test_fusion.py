"""Test the learned retriever in LlamaIndex: the contract, and what is LlamaIndex's own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.indices.keyword_table import SimpleKeywordTableIndex
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import AutoMergingRetriever, RouterRetriever, VectorIndexRetriever
from llama_index.core.schema import (
    ImageNode,
    IndexNode,
    MetadataMode,
    NodeRelationship,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.selectors import EmbeddingSingleSelector
from llama_index.core.tools import RetrieverTool
from llama_index.core.vector_stores import FilterCondition, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import VectorStoreQueryResult
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step

from llama_index_finetune_plugin import FusionRetriever, RetrieverEvaluator
from llama_index_finetune_plugin.stores import READERS
from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import UnreadableStoreError
from query_adapters.fusion import FusionModel
from query_adapters.fusion.serving import Refresh
from query_adapters.stores import MappingSource
from tests.integrations.fusion_contract import (
    CHUNKS,
    QUESTIONS,
    Filled,
    FusionContract,
    Result,
    Serving,
    check_same,
    expected,
    model_of,
)
from tests.llama_index_finetune_plugin.test_stores import SearchOnlyStore
from tests.stores.kind import Chunk, OpenStore
from tests.stores.llama_index import node_of
from tests.stores.place import DIM

EVEN = MetadataFilters(filters=[MetadataFilter(key="kind", value="even")])
ASKED = QUESTIONS[0]


def retriever_of(
    index: Any, fusion: Any, *, base: Any = None, k: int = 10, only_even: bool = False, **more: Any
) -> FusionRetriever:
    filters = EVEN if only_even else None
    return FusionRetriever(index, fusion, base, similarity_top_k=k, filters=filters, **more)


def as_results(nodes: Sequence[Any]) -> list[Result]:
    return [Result(n.node_id, n.get_score(), n.metadata.get("fusion")) for n in nodes]


async def aresults(retriever: FusionRetriever, question: str) -> list[Result]:
    return as_results(await retriever.aretrieve(question))


def add(index: VectorStoreIndex, chunks: Sequence[Chunk]) -> None:
    index.insert_nodes([node_of(chunk) for chunk in chunks])


class TestContract(FusionContract):
    serving = Serving(
        retriever=retriever_of,
        load=FusionRetriever.load,
        results=lambda retriever, question: as_results(retriever.retrieve(question)),
        aresults=aresults,
        add=add,
        synchronous=frozenset({"qdrant"}),  # two clients cannot open the same files
    )


@pytest.fixture
def fill(make_store: Callable[..., OpenStore], base: Any) -> Filled:
    return lambda name="in-memory", chunks=CHUNKS: make_store(name, chunks, base)


@pytest.fixture
def opened(fill: Filled) -> OpenStore:
    return fill()


@pytest.fixture
def model(opened: OpenStore, base: Any, adapter: LinearAdapter) -> FusionModel:
    return model_of(opened, base, adapter)


@pytest.fixture
def retriever(opened: OpenStore, model: FusionModel, base: Any) -> FusionRetriever:
    made = FusionRetriever(opened.store, model)
    base.calls.clear()
    return made


def ids_of(nodes: Sequence[Any]) -> list[str]:
    return [node.node_id for node in nodes]


class TestQuestions:
    def test_are_embedded_once_as_queries(self, retriever: FusionRetriever, base: Any) -> None:
        retriever.retrieve(ASKED)
        assert base.calls == [("query", (ASKED,))]

    async def test_are_embedded_asynchronously(self, retriever: FusionRetriever, base: Any) -> None:
        await retriever.aretrieve(ASKED)
        assert base.calls == [("async query", (ASKED,))]

    async def test_may_bring_the_vector_of_the_base_model(
        self, retriever: FusionRetriever, base: Any
    ) -> None:
        given = QueryBundle(ASKED, embedding=base.vector("query", ASKED))
        wanted = ids_of(retriever.retrieve(ASKED))
        assert ids_of(retriever.retrieve(given)) == wanted
        assert ids_of(await retriever.aretrieve(given)) == wanted
        assert base.queries == [ASKED]

    def test_are_left_as_they_are(self, retriever: FusionRetriever) -> None:
        bundle = QueryBundle(ASKED)
        retriever.retrieve(bundle)
        assert bundle.embedding is None

    def test_may_be_empty(self, retriever: FusionRetriever) -> None:
        assert len(retriever.retrieve("")) == 10

    def test_send_the_events_of_retrieval_and_embedding(
        self, opened: OpenStore, model: FusionModel, base: Any
    ) -> None:
        handler = LlamaDebugHandler(print_trace_on_end=False)
        base.callback_manager = manager = CallbackManager([handler])
        FusionRetriever(opened.store, model, callback_manager=manager).retrieve(ASKED)
        for kind in (CBEventType.RETRIEVE, CBEventType.EMBEDDING):
            assert len(handler.get_event_pairs(kind)) == 1


class TestInLlamaIndex:
    def test_a_query_engine_retrieves_with_it(self, retriever: FusionRetriever) -> None:
        engine = RetrieverQueryEngine.from_args(
            retriever,
            llm=MockLLM(),
            node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=-5)],
        )
        response: Any = engine.query(ASKED)
        assert ids_of(response.source_nodes) == ids_of(retriever.retrieve(ASKED))

    async def test_it_is_a_tool(self, retriever: FusionRetriever) -> None:
        tool = RetrieverTool.from_defaults(retriever, name="search", description="searches")
        for output in (tool.call(ASKED), await tool.acall(ASKED)):
            asked = output.raw_input["input"]  # with a line break
            assert ids_of(output.raw_output) == ids_of(retriever.retrieve(asked))

    def test_a_router_chooses_it(self, retriever: FusionRetriever, base: Any) -> None:
        tool = RetrieverTool.from_defaults(retriever, description="searches")
        selector = EmbeddingSingleSelector.from_defaults(embed_model=base)
        router = RouterRetriever(selector, [tool], llm=MockLLM())
        assert ids_of(router.retrieve(ASKED)) == ids_of(retriever.retrieve(ASKED))

    def test_auto_merging_puts_parents_in_place_of_its_nodes(
        self, base: Any, adapter: LinearAdapter, opened: OpenStore
    ) -> None:
        parent = TextNode(id_="parent", text="all of it")
        nodes = [node_of(chunk) for chunk in CHUNKS]
        for node in nodes:
            node.relationships[NodeRelationship.PARENT] = RelatedNodeInfo(node_id="parent")
        parent.relationships[NodeRelationship.CHILD] = [
            RelatedNodeInfo(node_id=node.node_id) for node in nodes[:3]
        ]
        context = StorageContext.from_defaults()
        context.docstore.add_documents([parent, *nodes])
        index = VectorStoreIndex(nodes, storage_context=context, embed_model=base)
        leaves = FusionRetriever(index, model_of(opened, base, adapter))
        merging = AutoMergingRetriever(cast(VectorIndexRetriever, leaves), context)
        assert ids_of(merging.retrieve(ASKED)) == ["parent"]

    async def test_a_workflow_step_awaits_it(self, retriever: FusionRetriever) -> None:
        class Search(Workflow):
            @step
            async def search(self, event: StartEvent) -> StopEvent:
                return StopEvent(result=await retriever.aretrieve(event.question))

        found = await Search().run(question=ASKED)
        assert ids_of(found) == ids_of(retriever.retrieve(ASKED))

    def test_it_is_evaluated_at_its_number_of_nodes(self, retriever: FusionRetriever) -> None:
        retriever.similarity_top_k = 3
        best = ids_of(retriever.retrieve(ASKED))
        assert len(best) == retriever.similarity_top_k == 3
        dataset = RetrievalDataset(
            {"q": ASKED}, {key: "a text" for key in best}, {"q": {key: 1 for key in best}}
        )
        found = RetrieverEvaluator(retriever, ["recall"]).evaluate_dataset(dataset)
        assert found.means["recall@3"] == 1

    def test_an_object_is_returned_in_place_of_its_index_node(
        self, base: Any, adapter: LinearAdapter, opened: OpenStore
    ) -> None:
        target = TextNode(id_="target", text="the target")
        nodes = [node_of(chunk) for chunk in CHUNKS[1:]]
        pointer = IndexNode(id_=CHUNKS[0].key, index_id="i", text=ASKED, obj=target)
        index = VectorStoreIndex(nodes=nodes, objects=[pointer], embed_model=base)
        fusion = model_of(opened, base, adapter, depth=100)
        with pytest.warns(match=r"refresh\(\)"):
            found = FusionRetriever(index, fusion, similarity_top_k=60).retrieve(ASKED)
        assert "target" in ids_of(found)
        assert pointer.node_id not in ids_of(found)


class TestNodes:
    def test_hide_the_explanation_from_models(self, opened: OpenStore, model: FusionModel) -> None:
        for found in FusionRetriever(opened.store, model, explain=True).retrieve(ASKED):
            node = found.node
            assert "fusion" in node.metadata
            for mode in (MetadataMode.EMBED, MetadataMode.LLM):
                assert "similarity" not in node.get_content(mode)
            assert "kind" in node.metadata

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["in-memory", "faiss", "chroma", "qdrant", "postgres"])
    def test_are_those_of_the_index_without_embeddings(
        self, name: str, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill(name)
        model = replace(model_of(opened, base, adapter), depth=2)  # most are found by exact words
        texts = {chunk.key: opened.kind.embedded_text(chunk) for chunk in CHUNKS}
        for found in FusionRetriever(opened.store, model).retrieve(ASKED):
            assert found.node.get_content(MetadataMode.EMBED) == texts[found.node_id]
            assert found.node.embedding is None

    def test_that_the_docstore_lacks_are_passed_over(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("faiss")
        model = model_of(opened, base, adapter)
        retriever = FusionRetriever(opened.store, model)
        best = retriever.retrieve(ASKED)[0].node_id
        opened.store.docstore.delete_document(best)
        found = retriever.retrieve(ASKED)
        assert best not in ids_of(found)
        assert len(found) == 10

    def test_are_read_from_a_docstore_beside_a_store_that_returns_none(
        self, base: Any, adapter: LinearAdapter, opened: OpenStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index, fusion = searchable(base, monkeypatch), model_of(opened, base, adapter)
        with pytest.raises(UnreadableStoreError, match=r"get_nodes.*store_nodes_override=True"):
            FusionRetriever(index, fusion).retrieve(ASKED)
        index.docstore.add_documents([node_of(chunk) for chunk in CHUNKS])
        found = as_results(FusionRetriever(index, fusion).retrieve(ASKED))
        assert len(found) == 10
        exact = {one.key: one for one in expected(fusion, ASKED, opened, base, k=len(CHUNKS))}
        check_same(found, [exact[one.key] for one in found])

    def test_without_a_text_need_no_refresh(
        self, base: Any, adapter: LinearAdapter, opened: OpenStore
    ) -> None:
        index = opened.store
        image = ImageNode(id_="image", image="AA==", embedding=base.vector("query", ASKED))
        index.vector_store.add([image])
        index.docstore.add_documents([image])
        index.index_struct.add_node(image)
        retriever = FusionRetriever(
            index, model_of(opened, base, LinearAdapter([[1.0] * DIM] * DIM))
        )
        assert retriever.refresh() == Refresh(updated=1)
        retriever.similarity_top_k = 61
        assert "image" in ids_of(retriever.retrieve(ASKED))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["qdrant", "postgres", "chroma", "in-memory"])
    def test_satisfy_alternative_filters(
        self, name: str, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill(name)
        keys: list[Any] = [MetadataFilter(key="kind", value=value) for value in ("even", "neither")]
        either = MetadataFilters(filters=keys, condition=FilterCondition.OR)
        model = model_of(opened, base, adapter)
        found = FusionRetriever(opened.store, model, filters=either).retrieve(ASKED)
        wanted = expected(
            model, ASKED, opened, base, only=lambda chunk: chunk.metadata["kind"] == "even"
        )
        check_same(as_results(found), wanted)


class SearchableStore(SearchOnlyStore):
    """A store that has texts, and returns nodes in searches alone."""

    nodes: list[Any]

    def query(self, query: Any, **options: Any) -> VectorStoreQueryResult:
        return VectorStoreQueryResult(nodes=self.nodes[:2], similarities=[1.0, 1.0])


def searchable(base: Any, monkeypatch: pytest.MonkeyPatch) -> VectorStoreIndex:
    nodes = [node_of(chunk) for chunk in CHUNKS]
    texts = {node.node_id: node.get_content(MetadataMode.EMBED) for node in nodes}
    vectors = {key: base.vector("document", text) for key, text in texts.items()}
    monkeypatch.setitem(
        READERS, f"{__name__}:SearchableStore", lambda store, index: MappingSource(vectors)
    )
    return VectorStoreIndex.from_vector_store(SearchableStore(nodes=nodes), embed_model=base)


class TestRefusals:
    def test_another_index_is_named(self, model: FusionModel, base: Any) -> None:
        index: Any = SimpleKeywordTableIndex([TextNode(text="a")], llm=MockLLM())
        with pytest.raises(UnreadableStoreError, match=r"a VectorStoreIndex, got SimpleKeyword"):
            FusionRetriever(index, model, base)

    def test_a_store_without_vectors_by_id_is_named(self, model: FusionModel, base: Any) -> None:
        index = VectorStoreIndex.from_vector_store(SearchOnlyStore(), embed_model=base)
        with pytest.raises(UnreadableStoreError, match="got SearchOnlyStore; add a reader"):
            FusionRetriever(index, model)

    def test_texts_that_cannot_be_read_back_are_not_taken_for_empty_ones(
        self, model: FusionModel, base: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        retriever = FusionRetriever(searchable(base, monkeypatch), model)
        before = retriever.fusion
        with pytest.raises(UnreadableStoreError, match="returns its texts by id"):
            retriever.refresh()
        assert retriever.fusion is before

    def test_the_number_of_nodes_is_checked_later_too(self, retriever: FusionRetriever) -> None:
        with pytest.raises(ValueError, match="at least 1, got 0"):
            retriever.similarity_top_k = 0

    def test_faiss_refuses_filters(self, fill: Filled, base: Any, adapter: LinearAdapter) -> None:
        opened = fill("faiss")
        retriever = retriever_of(opened.store, model_of(opened, base, adapter), only_even=True)
        with pytest.raises(ValueError, match="filters not implemented for Faiss"):
            retriever.retrieve(ASKED)
