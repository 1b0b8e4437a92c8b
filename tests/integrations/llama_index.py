"""The LlamaIndex integration, with a recording LlamaIndex model."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chromadb
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.vector_stores.chroma import ChromaVectorStore
from pydantic import PrivateAttr

from llama_index_finetune_plugin import (
    AdapterEmbedding,
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
    LabelFreeFinetuneEngine,
    LinearAdapterEmbedding,
    LlamaIndexEmbedder,
    MigratingRetriever,
    ModelUpgradeEngine,
    RetrieverEvaluator,
    SentenceTransformersFinetuneEngine,
    TwoModelEmbedding,
    dataset_from_nodes,
    evaluate_index,
    finetune_many,
    generate_qa_embedding_pairs,
)
from llama_index_finetune_plugin.generation import question_generator, texts_of
from llama_index_finetune_plugin.sentence_transformers import SentenceTransformersEmbedding
from llama_index_finetune_plugin.stores import READERS, stored_similarity, stored_vectors
from tests.integrations.framework import Calls, Engines, Framework, Generation, Stores
from tests.integrations.recording import DIM, NAME, SECRET, Call, Recorder, Vector, functions
from tests.providers.llama_index import LLMS, MODELS
from tests.stores.llama_index import KINDS


class RecordingEmbedding(Recorder, BaseEmbedding):
    """A recording model whose async queries yield to the event loop once per letter."""

    model_name: str = NAME
    api_key: str = SECRET
    dimensions: int | None = None
    width: int = DIM
    instruction: str = ""
    _calls: list[Call] = PrivateAttr(default_factory=list)
    _functions: dict[str, Vector] = PrivateAttr(default_factory=dict)

    @classmethod
    def class_name(cls) -> str:
        return "RecordingEmbedding"

    def _name(self) -> str:
        return self.model_name

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embed("query", "query", query)[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        for _ in query:
            await asyncio.sleep(0)
        return self._embed("async query", "query", query)[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embed("text", "document", text)[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return self._embed("async text", "document", text)[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embed("batch", "document", *texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embed("async batch", "document", *texts)


def make_base(
    *,
    batch_size: int | None = None,
    query: Vector | None = None,
    document: Vector | None = None,
    **settings: Any,
) -> RecordingEmbedding:
    sizes: dict[str, Any] = {} if batch_size is None else {"embed_batch_size": batch_size}
    model = RecordingEmbedding(**sizes, **settings)
    model._functions.update(functions(query, document))
    return model


class ListedRetriever(BaseRetriever):
    """A retriever of listed ids with decreasing scores from 0.9; it counts concurrent calls."""

    def __init__(self, rankings: Mapping[str, list[str]]) -> None:
        super().__init__()
        self.rankings = rankings
        self.running = self.most_running = 0

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        ids = self.rankings[query_bundle.query_str]
        return [
            NodeWithScore(node=TextNode(id_=key, text=f"text {key}"), score=0.9 - 0.3 * place)
            for place, key in enumerate(ids)
        ]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        for _ in range(10):
            await asyncio.sleep(0)
        self.running -= 1
        return self._retrieve(query_bundle)


def nodes_of(texts: Mapping[str, str]) -> list[TextNode]:
    return [TextNode(id_=key, text=text) for key, text in texts.items()]


def index_of(texts: Mapping[str, str], model: Any) -> VectorStoreIndex:
    return VectorStoreIndex(nodes_of(texts), embed_model=model)


def chroma_index(folder: Path, texts: Mapping[str, str], model: Any) -> VectorStoreIndex:
    client = chromadb.PersistentClient(str(folder))
    context = StorageContext.from_defaults(
        vector_store=ChromaVectorStore(client.create_collection("docs"))
    )
    return VectorStoreIndex(nodes_of(texts), storage_context=context, embed_model=model)


def served(index: VectorStoreIndex, model: Any) -> VectorStoreIndex:
    return VectorStoreIndex(
        index_struct=index.index_struct,
        storage_context=index.storage_context,
        embed_model=model,
    )


def engine(dataset: Any, model: Any, *, store: Any = None, **options: Any) -> Any:
    return EmbeddingAdapterFinetuneEngine(dataset, model, index=store, **options)


def onto_store(dataset: Any, store: Any, model: Any = None, **options: Any) -> Any:
    return EmbeddingAdapterFinetuneEngine.from_index(dataset, store, model, **options)


def many(datasets: Any, model: Any, *, stores: Any = None, **options: Any) -> Any:
    return finetune_many(datasets, model, indexes=stores, **options)


def refine(dataset: Any, model: Any, path: Path, *, store: Any = None, **options: Any) -> Any:
    return EmbeddingAdapterFinetuneEngine.from_model_path(
        dataset, model, path, index=store, **options
    )


def tower(dataset: Any, model_id: str, *, store: Any = None, **options: Any) -> Any:
    return SentenceTransformersFinetuneEngine(dataset, model_id, index=store, **options)


def migrating(
    old: Any, new: Any, bridge: Any, k: int, *, only_even: bool = False, **options: Any
) -> MigratingRetriever:
    even = MetadataFilters(filters=[MetadataFilter(key="kind", value="even")])
    filters = even if only_even else None
    return MigratingRetriever(old, new, bridge, similarity_top_k=k, filters=filters, **options)


def ranked(retriever: BaseRetriever, text: str) -> list[tuple[str, float]]:
    return _with_scores(retriever.retrieve(text))


async def aranked(retriever: BaseRetriever, text: str) -> list[tuple[str, float]]:
    return _with_scores(await retriever.aretrieve(text))


def _with_scores(nodes: list[NodeWithScore]) -> list[tuple[str, float]]:
    return [(node.node_id, node.get_score()) for node in nodes]


class PlainLLM(CustomLLM):
    """A custom completion model that always returns the same answer."""

    answer: str

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="plain")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self.answer)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError


def generator(llm: Any, *, base: Any = None, **options: Any) -> Any:
    return question_generator(llm, embed_model=base, **options)


def generate(nodes: Any, llm: Any, path: Path, *, base: Any = None, **options: Any) -> Any:
    return generate_qa_embedding_pairs(
        nodes, llm, output_path=path, verbose=False, embed_model=base, **options
    )


LLAMA_INDEX = Framework(
    name="llama_index",
    label="LlamaIndex",
    make_base=make_base,
    providers=MODELS,
    calls=Calls(
        query=lambda model, text: model.get_query_embedding(text),
        aquery=lambda model, text: model.aget_query_embedding(text),
        documents=lambda model, texts: model.get_text_embedding_batch(texts),
        adocuments=lambda model, texts: model.aget_text_embedding_batch(texts),
        names=("query", "async query", "batch", "async batch"),
    ),
    adapted=AdapterEmbedding,
    linear=LinearAdapterEmbedding,
    two_models=TwoModelEmbedding,
    base_field="base_embed_model",
    embedder=LlamaIndexEmbedder,
    dataset=EmbeddingQAFinetuneDataset,
    dataset_of=lambda texts, questions: dataset_from_nodes(nodes_of(texts), questions),
    evaluator=RetrieverEvaluator,
    scores=lambda result: result.metric_vals_dict,
    evaluate_store=evaluate_index,
    listed_retriever=ListedRetriever,
    stores=Stores(
        in_memory=index_of,
        chroma=chroma_index,
        served=served,
        retriever=lambda index, k: index.as_retriever(similarity_top_k=k),
        found=lambda retriever, text: [node.node_id for node in retriever.retrieve(text)],
        scored=lambda index, text, k: ranked(index.as_retriever(similarity_top_k=k), text),
        kinds=KINDS,
        embeddings=lambda index: index.vector_store.data.embedding_dict,
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
        upgrade=ModelUpgradeEngine,
        tower_model=SentenceTransformersEmbedding,
    ),
    generation=Generation(
        llms=LLMS,
        plain_llm=lambda answer: PlainLLM(answer=answer),
        class_name="openai_llm",
        is_structured=lambda request: "tools" in request,
        chunks=nodes_of,
        texts_of=texts_of,
        generator=generator,
        generate=generate,
    ),
)
