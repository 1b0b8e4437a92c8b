"""One integration under names that both share, so that a test can run for either."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.stores.kind import StoreKind

Make = Callable[..., Any]


@dataclass(frozen=True)
class Calls:
    """How an embedding model of the framework is called.

    Attributes:
        query: Takes the model and a text, returns its vector as a query.
        aquery: The same, asynchronously.
        documents: Takes the model and texts, returns their vectors as documents.
        adocuments: The same, asynchronously.
        names: What a recording model logs for the four, in this order.
    """

    query: Callable[[Any, str], list[float]]
    aquery: Callable[[Any, str], Any]
    documents: Callable[[Any, list[str]], list[list[float]]]
    adocuments: Callable[[Any, list[str]], Any]
    names: tuple[str, str, str, str]


@dataclass(frozen=True)
class Stores:
    """Vector stores of the framework, in memory and in databases.

    Attributes:
        in_memory: Takes texts by id and a model, returns a filled store.
        chroma: Takes a folder, texts by id and a model, returns a filled Chroma store, which
            ranks by Euclidean distance.
        served: Takes a store in memory and a model, returns the store opened with that model.
        retriever: Takes a store and `k`, returns a retriever.
        found: Takes a retriever and a question, returns the ids that it finds.
        scored: Takes a store, a question and `k`, returns the best ids with their scores.
        kinds: Every store that vectors are read from, by name.
        embeddings: Takes a store in memory, returns its vectors by id, to be changed in place.
        stored_vectors: The integration's function.
        stored_similarity: The integration's function.
        readers: The integration's readers.
    """

    in_memory: Callable[[Mapping[str, str], Any], Any]
    chroma: Callable[[Any, Mapping[str, str], Any], Any]
    served: Callable[[Any, Any], Any]
    retriever: Callable[[Any, int], Any]
    found: Callable[[Any, str], list[str]]
    scored: Callable[[Any, str, int], list[tuple[str, float]]]
    kinds: Mapping[str, StoreKind]
    embeddings: Callable[[Any], dict[str, Any]]
    stored_vectors: Make
    stored_similarity: Callable[[Any], Any]
    readers: dict[str, Any]


@dataclass(frozen=True)
class Engines:
    """The integration's fine-tuning engines.

    Attributes:
        adapter: Takes dataset, model, `store` and the settings, returns an adapter engine.
        onto_store: Takes dataset, store and the settings, returns an engine that reads the store.
        refine: Takes dataset, model, folder of an adapter, `store` and the settings.
        label_free: The class of the engine without labels.
        tower: Takes dataset, model, `store` and the settings, returns an engine that trains the
            model itself.
        tower_model: The class of a model that such an engine saved.
    """

    adapter: Make
    onto_store: Make
    refine: Make
    label_free: Make
    tower: Make
    tower_model: Make


@dataclass(frozen=True)
class Generation:
    """How the integration generates questions.

    Attributes:
        llms: By provider, what makes a chat model that talks to a test server.
        plain_llm: Takes a text, returns a model without structured output that answers with it.
        class_name: What precedes the name of OpenAI's model in messages.
        is_structured: Whether a request to a provider asks for structured output.
        chunks: Takes texts by id, returns the framework's documents.
        texts_of: The integration's function, from documents to texts by id.
        generator: Takes a model and settings, `base` among them, returns the core's generator.
        generate: Takes documents, a model, a path and settings, `base` among them, returns a
            dataset.
    """

    llms: Mapping[str, Make]
    plain_llm: Callable[[str], Any]
    class_name: str
    is_structured: Callable[[Mapping[str, Any]], bool]
    chunks: Callable[[Mapping[str, str]], Any]
    texts_of: Callable[[Any], dict[str, str]]
    generator: Make
    generate: Make


@dataclass(frozen=True)
class Framework:
    """An integration and the test models of its framework.

    Attributes:
        name: The parameter id.
        label: The framework's name in messages.
        make_base: Returns a recording model; takes `model_name`, `api_key`, `dimensions`, `width`,
            `instruction`, `batch_size`, and `query` and `document`, which compute vectors.
        providers: By provider, what makes a model that talks to a test server.
        calls: How models are called.
        adapted: The class of a base with any adapter.
        linear: The class of a base with a linear adapter.
        base_field: The attribute of an adapted model that holds its base.
        embedder: The class through which the core embeds.
        dataset: Makes the framework's dataset of queries, corpus and relevant documents.
        dataset_of: Takes texts by id and questions with ids, returns the core's dataset, made of
            the framework's documents.
        evaluator: The class that scores a retriever.
        scores: Takes what the evaluator returns for one query, returns its scores by metric.
        evaluate_store: The integration's function that searches stored vectors.
        listed_retriever: Takes rankings by query, returns a retriever of documents with these
            ids and the texts "text <id>", which counts its concurrent calls in `most_running`.
        stores: Its vector stores.
        engines: Its engines.
        generation: How it generates questions.
    """

    name: str
    label: str
    make_base: Make
    providers: Mapping[str, Make]
    calls: Calls
    adapted: Make
    linear: Make
    base_field: str
    embedder: Make
    dataset: Make
    dataset_of: Make
    evaluator: Make
    scores: Callable[[Any], Mapping[str, float]]
    evaluate_store: Make
    listed_retriever: Callable[[Mapping[str, list[str]]], Any]
    stores: Stores
    engines: Engines
    generation: Generation
