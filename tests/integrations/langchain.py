"""The LangChain integration, with a recording LangChain model."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langchain_chroma import Chroma
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import FakeListChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import BaseModel, PrivateAttr

from langchain_adapter import (
    AdapterEmbeddings,
    EmbeddingAdapterFinetuneEngine,
    LabelFreeFinetuneEngine,
    LangChainEmbedder,
    LinearAdapterEmbeddings,
    MigratingRetriever,
    ModelUpgradeEngine,
    RetrieverEvaluator,
    SentenceTransformersFinetuneEngine,
    TwoModelEmbeddings,
    dataset_from_documents,
    evaluate_vectorstore,
    finetune_many,
    generate_questions,
)
from langchain_adapter.generation import question_generator, texts_of
from langchain_adapter.sentence_transformers import SentenceTransformersEmbeddings
from langchain_adapter.stores import READERS, stored_similarity, stored_vectors
from query_adapters.data.dataset import RetrievalDataset
from tests.integrations.framework import Calls, Engines, Framework, Generation, Stores
from tests.integrations.recording import DIM, NAME, SECRET, Call, Recorder, Vector, functions
from tests.providers.langchain import LLMS, MODELS
from tests.stores.langchain import KINDS


class RecordingEmbeddings(Recorder, BaseModel, Embeddings):
    """A recording model whose async queries yield to the event loop once per letter."""

    model: str = NAME
    openai_api_key: str = SECRET
    dimensions: int | None = None
    width: int = DIM
    instruction: str = ""
    chunk_size: int | None = None
    _calls: list[Call] = PrivateAttr(default_factory=list)
    _functions: dict[str, Vector] = PrivateAttr(default_factory=dict)

    def _name(self) -> str:
        return self.model

    def embed_query(self, text: str) -> list[float]:
        return self._embed("query", "query", text)[0]

    async def aembed_query(self, text: str) -> list[float]:
        for _ in text:
            await asyncio.sleep(0)
        return self._embed("async query", "query", text)[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embed("documents", "document", *texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embed("async documents", "document", *texts)


NAMES = {"model_name": "model", "api_key": "openai_api_key", "batch_size": "chunk_size"}


def make_base(
    *, query: Vector | None = None, document: Vector | None = None, **settings: Any
) -> RecordingEmbeddings:
    model = RecordingEmbeddings(**{NAMES.get(name, name): settings[name] for name in settings})
    model._functions.update(functions(query, document))
    return model


class ListedRetriever(BaseRetriever):
    """A retriever that returns listed documents and counts concurrent calls."""

    rankings: dict[str, list[str]]
    most_running: int = 0
    _running: int = PrivateAttr(default=0)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [
            Document(f"text {key}", id=key, metadata={"_id": f"{key}!"})
            for key in self.rankings[query]
        ]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        self._running += 1
        self.most_running = max(self.most_running, self._running)
        for _ in range(10):
            await asyncio.sleep(0)
        self._running -= 1
        return self._get_relevant_documents(query, run_manager=run_manager.get_sync())


def documents_of(texts: Mapping[str, str]) -> list[Document]:
    return [Document(text, id=key) for key, text in texts.items()]


def store_of(texts: Mapping[str, str], model: Any) -> InMemoryVectorStore:
    store = InMemoryVectorStore(model)
    store.add_documents(documents_of(texts))
    return store


def chroma_store(folder: Path, texts: Mapping[str, str], model: Any) -> Chroma:
    store = Chroma("docs", model, persist_directory=str(folder))
    store.add_documents(documents_of(texts))
    return store


def served(store: InMemoryVectorStore, model: Any) -> InMemoryVectorStore:
    opened = InMemoryVectorStore(model)
    opened.store = store.store
    return opened


class VectorsByKey(dict[str, Any]):
    """The vectors of an InMemoryVectorStore by id; assignments change the store."""

    def __init__(self, store: InMemoryVectorStore) -> None:
        super().__init__({key: entry["vector"] for key, entry in store.store.items()})
        self._store = store

    def __setitem__(self, key: str, vector: Any) -> None:
        super().__setitem__(key, vector)
        row = self._store.store.setdefault(key, {"id": key, "text": "", "metadata": {}})
        row["vector"] = vector


def engine(dataset: Any, model: Any, *, store: Any = None, **options: Any) -> Any:
    return EmbeddingAdapterFinetuneEngine(dataset, model, vectorstore=store, **options)


def onto_store(dataset: Any, store: Any, model: Any = None, **options: Any) -> Any:
    return EmbeddingAdapterFinetuneEngine.from_vectorstore(dataset, store, model, **options)


def many(datasets: Any, model: Any, *, stores: Any = None, **options: Any) -> Any:
    return finetune_many(datasets, model, vectorstores=stores, **options)


def refine(dataset: Any, model: Any, path: Path, *, store: Any = None, **options: Any) -> Any:
    return EmbeddingAdapterFinetuneEngine.from_model_path(
        dataset, model, path, vectorstore=store, **options
    )


def upgrade(store: Any, model: Any, path: Path, *, old_model: Any = None, **options: Any) -> Any:
    return ModelUpgradeEngine(store, model, path, old_embeddings=old_model, **options)


def tower(dataset: Any, model_id: str, *, store: Any = None, **options: Any) -> Any:
    return SentenceTransformersFinetuneEngine(dataset, model_id, vectorstore=store, **options)


def migrating(
    old: Any, new: Any, bridge: Any, k: int, *, only_even: bool = False, **options: Any
) -> MigratingRetriever:
    kinds = {"InMemoryVectorStore": "in-memory", "QdrantVectorStore": "qdrant"}
    even = KINDS[kinds.get(type(old).__name__, "faiss")].only_even["filter"]
    return MigratingRetriever(old, new, bridge, k=k, filter=even if only_even else None, **options)


def ranked(retriever: BaseRetriever, text: str) -> list[tuple[str, float]]:
    return _with_scores(retriever.invoke(text))


async def aranked(retriever: BaseRetriever, text: str) -> list[tuple[str, float]]:
    return _with_scores(await retriever.ainvoke(text))


def _with_scores(documents: list[Document]) -> list[tuple[str, float]]:
    return [(str(one.id), one.metadata["relevance_score"]) for one in documents]


def generator(llm: Any, *, base: Any = None, **options: Any) -> Any:
    return question_generator(llm, embeddings=base, **options)


def generate(documents: Any, llm: Any, path: Path, *, base: Any = None, **options: Any) -> Any:
    return generate_questions(documents, llm, output_path=path, embeddings=base, **options)


LANGCHAIN = Framework(
    name="langchain",
    label="LangChain",
    make_base=make_base,
    providers=MODELS,
    calls=Calls(
        query=lambda model, text: model.embed_query(text),
        aquery=lambda model, text: model.aembed_query(text),
        documents=lambda model, texts: model.embed_documents(texts),
        adocuments=lambda model, texts: model.aembed_documents(texts),
        names=("query", "async query", "documents", "async documents"),
    ),
    adapted=AdapterEmbeddings,
    linear=LinearAdapterEmbeddings,
    two_models=TwoModelEmbeddings,
    base_field="base",
    embedder=LangChainEmbedder,
    dataset=RetrievalDataset.from_relevant_docs,
    dataset_of=lambda texts, questions: dataset_from_documents(documents_of(texts), questions),
    evaluator=RetrieverEvaluator,
    scores=dict,
    evaluate_store=evaluate_vectorstore,
    listed_retriever=lambda rankings: ListedRetriever(rankings=dict(rankings)),
    stores=Stores(
        in_memory=store_of,
        chroma=chroma_store,
        served=served,
        retriever=lambda store, k: store.as_retriever(search_kwargs={"k": k}),
        found=lambda retriever, text: [str(document.id) for document in retriever.invoke(text)],
        scored=lambda store, text, k: [
            (document.id, score) for document, score in store.similarity_search_with_score(text, k)
        ],
        kinds=KINDS,
        embeddings=VectorsByKey,
        stored_vectors=stored_vectors,
        stored_similarity=stored_similarity,
        readers=READERS,
        migrating=migrating,
        ranked=ranked,
        aranked=aranked,
    ),
    engines=Engines(
        adapter=engine,
        onto_store=onto_store,
        refine=refine,
        many=many,
        label_free=LabelFreeFinetuneEngine,
        tower=tower,
        upgrade=upgrade,
        tower_model=SentenceTransformersEmbeddings,
    ),
    generation=Generation(
        llms=LLMS,
        plain_llm=lambda answer: FakeListChatModel(responses=[answer]),
        class_name="ChatOpenAI",
        is_structured=lambda request: "response_format" in request,
        chunks=documents_of,
        texts_of=texts_of,
        generator=generator,
        generate=generate,
    ),
)
