"""Test the learned retriever in LangChain: the contract, and what is LangChain's own."""

import asyncio
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_chroma import Chroma
from langchain_classic.retrievers import ContextualCompressionRetriever, EnsembleRetriever
from langchain_classic.retrievers.document_compressors import EmbeddingsFilter
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_core.tools import create_retriever_tool
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_adapter import AdapterEmbeddings, FusionRetriever, RetrieverEvaluator
from langchain_adapter.stores import READERS, stored_vectors
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.errors import LexicalIndexWarning, UnreadableStoreError
from query_adapters.fusion import FusionModel
from query_adapters.fusion.storage import SavedFusion, save_fusion
from query_adapters.stores import BlockSource, gather
from tests.integrations.fusion_contract import (
    CHUNKS,
    QUESTIONS,
    WORDS,
    Filled,
    FusionContract,
    N,
    Result,
    Serving,
    check_same,
    chunk_of,
    expected,
    model_of,
)
from tests.integrations.langchain import make_base
from tests.stores.kind import Chunk, OpenStore
from tests.stores.langchain import KINDS, pgvector
from tests.stores.place import DIM, Place

QUESTION = QUESTIONS[0]
FILTERS = {
    "InMemoryVectorStore": KINDS["in-memory"].only_even["filter"],
    "QdrantVectorStore": KINDS["qdrant"].only_even["filter"],
}


def retriever_of(
    store: Any, fusion: Any, *, base: Any = None, only_even: bool = False, **options: Any
) -> FusionRetriever:
    even = FILTERS.get(type(store).__name__, {"kind": "even"})
    return FusionRetriever(store, fusion, base, filter=even if only_even else None, **options)


def as_results(documents: Sequence[Document]) -> list[Result]:
    return [
        Result(str(d.id), d.metadata["relevance_score"], d.metadata.get("fusion"))
        for d in documents
    ]


async def aresults(retriever: FusionRetriever, question: str) -> list[Result]:
    return as_results(await retriever.ainvoke(question))


def add(store: VectorStore, chunks: Sequence[Chunk]) -> None:
    documents = [Document(c.text, metadata={**c.metadata, "key": c.key}) for c in chunks]
    store.add_documents(documents, ids=[chunk.key for chunk in chunks])


SERVING = Serving(
    retriever=retriever_of,
    load=FusionRetriever.load,
    results=lambda retriever, question: as_results(retriever.invoke(question)),
    aresults=aresults,
    add=add,
    kinds={"postgres": "pgvector"},
)


class TestContract(FusionContract):
    serving = SERVING


class TestContractOfOtherStores(FusionContract):
    serving = replace(
        SERVING,
        kinds={
            "faiss": "faiss-unit",
            "chroma": "chroma-dot",
            "qdrant": "qdrant-euclid",
            "postgres": "pgvectorstore",
        },
    )


@pytest.fixture
def fill(make_store: Callable[..., OpenStore], base: Any) -> Filled:
    return lambda name="in-memory", chunks=CHUNKS: make_store(name, chunks, base)


@pytest.fixture
def opened(fill: Filled) -> OpenStore:
    return fill()


@pytest.fixture
def store(opened: OpenStore) -> Any:
    """An in-memory store with all documents."""
    return opened.store


@pytest.fixture
def model(opened: OpenStore, base: Any, adapter: LinearAdapter) -> FusionModel:
    return model_of(opened, base, adapter)


@pytest.fixture
def retriever(store: Any, model: FusionModel, base: Any) -> FusionRetriever:
    made = FusionRetriever(store, model)
    base.calls.clear()
    return made


def ids_of(documents: Sequence[Document]) -> list[str]:
    return [str(document.id) for document in documents]


class OtherStore(VectorStore):
    """A third-party store that returns documents by id, and that takes options of its own."""

    def __init__(self, inner: InMemoryVectorStore) -> None:
        self.inner = inner

    @property
    def embeddings(self) -> Embeddings:
        return self.inner.embeddings

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        return self.inner.get_by_ids(ids)

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[Document]:
        raise NotImplementedError

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **options: Any
    ) -> list[Document]:
        return self.inner.similarity_search_by_vector(embedding, k=k)

    @classmethod
    def from_texts(cls, texts: Any, embedding: Any, metadatas: Any = None, **options: Any) -> Any:
        raise NotImplementedError


class SearchOnlyStore(OtherStore):
    """The same, without documents by id."""

    get_by_ids = VectorStore.get_by_ids


class StoreWithoutIds(OtherStore):
    """The same, with documents that have no ids."""

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **options: Any
    ) -> list[Document]:
        found = super().similarity_search_by_vector(embedding, k=k)
        return [document.model_copy(update={"id": None}) for document in found]


@pytest.fixture
def read_other_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a reader of their vectors."""

    def read(store: OtherStore) -> BlockSource:
        stored = gather(stored_vectors(store.inner))
        return BlockSource([(stored.ids, stored.vectors)], "cosine")

    monkeypatch.setitem(READERS, f"{__name__}:OtherStore", read)


@pytest.mark.usefixtures("read_other_stores")
class TestOtherStores:
    def test_with_documents_by_id_are_exact(
        self, opened: OpenStore, model: FusionModel, base: Any
    ) -> None:
        found = FusionRetriever(OtherStore(opened.store), model).invoke(QUESTION)
        check_same(as_results(found), expected(model, QUESTION, opened, base))

    def test_with_an_option_that_may_filter_return_what_their_search_finds(
        self, store: Any, model: FusionModel, base: Any
    ) -> None:
        few, options = replace(model, depth=3), {"namespace": "n"}
        retriever = FusionRetriever(OtherStore(store), few, k=3, search_kwargs=options)
        query = model.adapter(np.array(base.vector("query", QUESTION), dtype=np.float32))
        near = store.similarity_search_by_vector(query.tolist(), k=3)
        assert set(ids_of(retriever.invoke(QUESTION))) == set(ids_of(near))
        assert set(ids_of(near)) != set(ids_of(FusionRetriever(store, few, k=3).invoke(QUESTION)))

    def test_without_ids_are_refused(self, store: Any, model: FusionModel) -> None:
        retriever = FusionRetriever(StoreWithoutIds(store), model)
        with pytest.raises(UnreadableStoreError, match=r"ids .* in Document.id.* as id_key="):
            retriever.invoke(QUESTION)

    def test_without_documents_by_id_are_refused(self, store: Any, model: FusionModel) -> None:
        retriever = FusionRetriever(SearchOnlyStore(store), replace(model, depth=3), k=3)
        with pytest.raises(UnreadableStoreError, match=r"returns documents by id .*ACCESS"):
            retriever.invoke(QUESTION)

    @pytest.mark.slow
    def test_of_lancedb_name_the_key_of_their_ids(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("lancedb")
        model = model_of(opened, base, adapter)
        with pytest.raises(UnreadableStoreError, match=r"Document.id, got LanceDB; .* id_key="):
            FusionRetriever(opened.store, model).invoke(QUESTION)
        retriever = FusionRetriever(opened.store, model, id_key="key")
        wanted = expected(model, QUESTION, opened, base)
        check_same(as_results(retriever.invoke(QUESTION)), wanted)
        add(opened.store, [chunk_of(N)])
        assert retriever.refresh().updated == 1


class TestDocuments:
    def test_are_copies_with_their_score_and_parts(self, store: Any, model: FusionModel) -> None:
        found = FusionRetriever(store, model, explain=True).invoke(QUESTION)
        assert all({"relevance_score", "fusion"} <= set(d.metadata) for d in found)
        for document in store.get_by_ids(ids_of(found)):
            assert set(document.metadata) == {"kind", "key"}

    @pytest.mark.slow
    def test_of_faiss_are_copies_too(self, fill: Filled, base: Any, adapter: LinearAdapter) -> None:
        opened = fill("faiss")
        found = FusionRetriever(opened.store, model_of(opened, base, adapter)).invoke(QUESTION)
        for document in opened.store.get_by_ids(ids_of(found)):
            assert set(document.metadata) == {"kind", "key"}

    @pytest.mark.slow
    def test_have_their_ids_and_texts(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("qdrant")
        found = FusionRetriever(opened.store, model_of(opened, base, adapter)).invoke(QUESTION)
        texts = {chunk.key: chunk.text for chunk in CHUNKS}
        assert [d.page_content for d in found] == [texts[key] for key in ids_of(found)]
        assert ids_of(found) == [d.metadata["key"] for d in found]

    @pytest.mark.slow
    def test_without_a_text_are_passed_over(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("chroma")
        retriever = FusionRetriever(opened.store, model_of(opened, base, adapter), k=3)
        first, *others = ids_of(retriever.invoke(QUESTION, k=4))
        collection = opened.store._collection
        (vector,) = collection.get([first], include=["embeddings"])["embeddings"]
        collection.delete([first])
        collection.add([first], embeddings=[vector])
        assert ids_of(retriever.invoke(QUESTION)) == others

    @pytest.mark.slow
    def test_of_chroma_need_no_metadata(
        self, place: Place, base: Any, opened: OpenStore, adapter: LinearAdapter
    ) -> None:
        bare = Chroma("bare", base, persist_directory=str(place.folder))
        bare.add_texts([c.text for c in CHUNKS], ids=[c.key for c in CHUNKS])
        model = model_of(opened, base, adapter, weights={"lexical": 5.0}, depth=3)
        found = FusionRetriever(bare, model, k=3).invoke(QUESTION)
        assert len(found) == 3
        assert set(ids_of(found)) <= set(
            model.prepared(QUESTION, np.ones(DIM, dtype=np.float32)).ids
        )

    @pytest.mark.slow
    def test_of_chroma_satisfy_a_filter_on_their_text(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("chroma")
        model = model_of(opened, base, adapter)
        options = {"where_document": {"$contains": "crab"}}
        found = FusionRetriever(opened.store, model, search_kwargs=options).invoke(QUESTION)
        wanted = expected(model, QUESTION, opened, base, only=lambda chunk: "crab" in chunk.text)
        check_same(as_results(found), wanted)

    def test_are_none_if_the_filter_admits_none(self, store: Any, model: FusionModel) -> None:
        assert FusionRetriever(store, model, filter=lambda _: False).invoke(QUESTION) == []

    def test_are_found_without_a_known_word(self, retriever: FusionRetriever) -> None:
        assert len(retriever.invoke("???")) == len(retriever.invoke("")) == 10

    async def test_are_warned_about_once(self, store: Any, model: FusionModel) -> None:
        retriever = FusionRetriever(store, replace(model, depth=100))
        add(store, [replace(CHUNKS[5], text="other words"), chunk_of(N)])
        with pytest.warns(LexicalIndexWarning) as told:
            await retriever.ainvoke(QUESTION)
        assert len(told) == 2
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            retriever.batch(list(QUESTIONS))


@pytest.mark.slow
async def test_an_asynchronous_pgvector_is_searched_asynchronously(
    fill: Filled, base: Any, adapter: LinearAdapter
) -> None:
    opened = fill("pgvector")
    store = pgvector(opened.place, base, async_mode=True)
    model = model_of(opened, base, adapter)
    wanted = expected(model, QUESTION, opened, base)
    check_same(await aresults(FusionRetriever(store, model), QUESTION), wanted)
    only = retriever_of(store, model, only_even=True)
    assert {d.metadata["kind"] for d in await only.ainvoke(QUESTION)} == {"even"}


def test_a_folder_is_loaded_with_its_words_in_memory_too(
    store: Any, model: FusionModel, tmp_path: Path
) -> None:
    fusion = SavedFusion(model=model, saved=SavedAdapter(adapter=model.adapter))
    folder = save_fusion(fusion, tmp_path / "saved")
    loaded = FusionRetriever.load(folder, store, k=7, memory_map=False)
    assert loaded.invoke(QUESTION) == FusionRetriever(store, model, k=7).invoke(QUESTION)
    with pytest.raises(FileNotFoundError):
        FusionRetriever.load(tmp_path / "none", store)


class Events(BaseCallbackHandler):
    """Keeps what is told about runs."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def on_retriever_start(self, serialized: Any, query: str, **options: Any) -> None:
        self.told.append(("start", (query, options["tags"], options["name"])))

    def on_retriever_end(self, documents: Any, **options: Any) -> None:
        self.told.append(("end", len(documents)))

    def on_retriever_error(self, error: BaseException, **options: Any) -> None:
        self.told.append(("error", type(error)))


class TestInLangChain:
    def test_callbacks_tags_and_names_are_told(self, store: Any, model: FusionModel) -> None:
        events = Events()
        retriever = FusionRetriever(store, model, k=4, tags=["mine"])
        retriever.invoke(QUESTION, {"callbacks": [events], "run_name": "learned"})
        assert events.told == [("start", (QUESTION, ["mine"], "learned")), ("end", 4)]
        with pytest.raises(ValueError, match="at least 1, got 0"):
            retriever.invoke(QUESTION, {"callbacks": [events]}, k=0)
        assert events.told[-1] == ("error", ValueError)

    async def test_a_chain_takes_it(self, retriever: FusionRetriever) -> None:
        chain = retriever | RunnableLambda(ids_of)
        wanted = ids_of(retriever.invoke(QUESTION))
        assert chain.invoke(QUESTION) == await chain.ainvoke(QUESTION) == wanted

    async def test_threads_and_tasks_share_it(self, retriever: FusionRetriever) -> None:
        questions = [" ".join(WORDS[i : i + 3]) for i in range(10)]
        wanted = [retriever.invoke(question) for question in questions]
        assert retriever.batch(questions, {"max_concurrency": 8}) == wanted
        assert await retriever.abatch(questions) == wanted
        assert await asyncio.gather(*[retriever.ainvoke(text) for text in questions]) == wanted

    def test_it_is_configured_per_call(self, retriever: FusionRetriever) -> None:
        fields: Any = {name: ConfigurableField(name) for name in ("k", "filter")}
        config: Any = {"configurable": {"k": 3, "filter": FILTERS["InMemoryVectorStore"]}}
        found = retriever.configurable_fields(**fields).invoke(QUESTION, config)
        assert [d.metadata["kind"] for d in found] == ["even"] * 3

    def test_a_configured_copy_has_the_refreshed_words(
        self, retriever: FusionRetriever, store: Any
    ) -> None:
        add(store, [chunk_of(N)])
        retriever.refresh()
        copy: Any = retriever.configurable_fields(k=ConfigurableField("k"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(copy.invoke(QUESTION, {"configurable": {"k": 2}})) == 2

    def test_other_retrievers_take_it(
        self, retriever: FusionRetriever, store: Any, base: Any
    ) -> None:
        found = [d.page_content for d in retriever.invoke(QUESTION)]
        keep = EmbeddingsFilter(embeddings=base, k=2)
        compressed = ContextualCompressionRetriever(base_compressor=keep, base_retriever=retriever)
        assert {d.page_content for d in compressed.invoke(QUESTION)} < set(found)
        both = EnsembleRetriever(retrievers=[retriever, store.as_retriever()], weights=[0.5, 0.5])
        assert set(found) <= {d.page_content for d in both.invoke(QUESTION)}

    def test_a_tool_takes_it(self, retriever: FusionRetriever) -> None:
        tool = create_retriever_tool(retriever, "chunks", "Finds chunks.")
        texts = [d.page_content for d in retriever.invoke(QUESTION)]
        assert tool.invoke(QUESTION) == "\n\n".join(texts)

    def test_the_evaluator_takes_it(self, retriever: FusionRetriever) -> None:
        best = ids_of(retriever.invoke(QUESTION))[0]
        scores = RetrieverEvaluator(retriever, ["mrr", "ndcg@5"]).evaluate(QUESTION, [best])
        assert scores == {"mrr@10": 1.0, "ndcg@5": 1.0}

    async def test_the_question_is_embedded_once_by_the_base(
        self, store: Any, model: FusionModel, base: Any
    ) -> None:
        store.embedding = AdapterEmbeddings(base, model.adapter)
        retriever = FusionRetriever(store, model)
        base.calls.clear()
        assert await retriever.ainvoke(QUESTION) == retriever.invoke(QUESTION)
        assert base.calls == [("async query", (QUESTION,)), ("query", (QUESTION,))]

    def test_its_description_is_short_and_without_secrets(
        self, retriever: FusionRetriever, secret: str
    ) -> None:
        assert "FusionModel" not in repr(retriever)
        assert secret not in retriever.model_dump_json()


class TestBadInput:
    def test_k_among_the_options_of_the_search(self, store: Any, model: FusionModel) -> None:
        with pytest.raises(ValueError, match="got k=3; pass k to the retriever"):
            FusionRetriever(store, model, search_kwargs={"k": 3})

    def test_an_unknown_option(self, store: Any, model: FusionModel) -> None:
        options: Any = {"top_k": 3}
        with pytest.raises(ValueError, match="top_k"):
            FusionRetriever(store, model, **options)

    def test_no_vector_store(self, store: Any, model: FusionModel) -> None:
        given: Any = store.as_retriever()
        with pytest.raises(UnreadableStoreError, match=r"pass the store .* retriever.vectorstore"):
            FusionRetriever(given, model)
        given = model
        with pytest.raises(UnreadableStoreError, match="LangChain vector store, got FusionModel"):
            FusionRetriever(given, given)

    def test_a_store_that_nothing_reads(self, store: Any, model: FusionModel) -> None:
        with pytest.raises(UnreadableStoreError, match="got OtherStore; add a reader"):
            FusionRetriever(OtherStore(store), model)


class TestStandard(RetrieversIntegrationTests):
    """LangChain's standard tests of retrievers."""

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return FusionRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        base, kind = make_base(), KINDS["in-memory"]
        store = InMemoryVectorStore(base)
        add(store, CHUNKS)
        filled = OpenStore(kind, Place(Path(), str), store, CHUNKS)
        adapter = LinearAdapter(np.random.default_rng(0).normal(size=(DIM, DIM)))
        return {"vectorstore": store, "fusion": model_of(filled, base, adapter)}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION
