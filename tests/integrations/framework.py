"""A common interface to both integrations, so that one test runs for both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.stores.kind import StoreKind

Make = Callable[..., Any]


@dataclass(frozen=True)
class Calls:
    """Functions that call an embedding model of the framework.

    Attributes:
        query: Takes the model and a text, returns the query vector.
        aquery: The same, asynchronously.
        documents: Takes the model and texts, returns the document vectors.
        adocuments: The same, asynchronously.
        names: Names that a recording model logs for these four calls, in this order.
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
        served: Takes an in-memory store and a model, returns the store opened with that model.
        retriever: Takes a store and `k`, returns a retriever.
        found: Takes a retriever and a question, returns the retrieved ids.
        scored: Takes a store, a question and `k`, returns the top ids with their scores.
        kinds: Every supported kind of store, by name.
        embeddings: Takes an in-memory store, returns its vectors by id in a mutable mapping.
        stored_vectors: The integration's function of this name.
        stored_similarity: The integration's function of this name.
        readers: The integration's readers.
        migrating: Takes an old store, a new one, a bridge's folder, the number of documents and
            options, returns a retriever of both.
        ranked: Takes a retriever and a question, returns ids with scores.
        aranked: The same, asynchronously.
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
    migrating: Make
    ranked: Callable[[Any, str], list[tuple[str, float]]]
    aranked: Callable[[Any, str], Any]


@dataclass(frozen=True)
class Engines:
    """The integration's fine-tuning engines.

    Attributes:
        adapter: Takes a dataset, a model, `store` and settings, returns an adapter engine.
        onto_store: Takes a dataset, a store and settings, returns an engine that reads the store.
        refine: Takes a dataset, a model, an adapter folder, `store` and settings, returns an
            engine that starts from that adapter.
        many: Takes datasets by name, a model, `stores` by name and settings, returns the result.
        label_free: The class of the label-free engine.
        tower: Takes a dataset, a model, `store` and settings, returns an engine that trains the
            model itself.
        upgrade: Takes a store, a new model, a folder, `old_model` and settings, returns an engine
            that serves the store with the new model.
        tower_model: The class that serves a model trained by such an engine.
    """

    adapter: Make
    onto_store: Make
    refine: Make
    many: Make
    label_free: Make
    tower: Make
    upgrade: Make
    tower_model: Make


@dataclass(frozen=True)
class Generation:
    """Functions and classes of the integration that generate questions.

    Attributes:
        llms: By provider, a function that makes a chat model connected to a test server.
        plain_llm: Takes a text, returns a model without structured output that always answers
            with this text.
        class_name: Class name before the name of OpenAI's model in messages.
        is_structured: Whether a request to a provider requires structured output.
        chunks: Takes texts by id, returns the framework's documents.
        texts_of: The integration's function that maps documents to texts by id.
        generator: Takes a model and settings, including `base`, returns the core's generator.
        generate: Takes documents, a model, a path and settings, including `base`, returns a
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
    """An integration, with test models of its framework.

    Attributes:
        name: The parameter id.
        label: The framework's name in messages.
        make_base: Takes `model_name`, `api_key`, `dimensions`, `width`, `instruction`,
            `batch_size`, and the functions `query` and `document` that compute vectors; returns a
            recording model.
        providers: By provider, a function that makes a model connected to a test server.
        calls: Functions that call models.
        adapted: The class of a base model with any adapter.
        linear: The class of a base model with a linear adapter.
        two_models: The class that asks two models for every query.
        base_field: The attribute of an adapted model that holds its base.
        embedder: The class that makes a model available to the core.
        dataset: Takes queries, corpus and relevant documents, returns the framework's dataset.
        dataset_of: Takes texts by id and questions with ids, returns the core's dataset, built
            from the framework's documents.
        evaluator: The class that scores a retriever.
        scores: Takes the evaluator's result for one query, returns the scores by metric.
        evaluate_store: The integration's function that searches stored vectors.
        listed_retriever: Takes rankings by query, returns a retriever of documents with these
            ids and the texts "text <id>", which counts its concurrent calls in `most_running`.
        stores: The framework's vector stores.
        engines: The integration's engines.
        generation: The integration's question generation.
    """

    name: str
    label: str
    make_base: Make
    providers: Mapping[str, Make]
    calls: Calls
    adapted: Make
    linear: Make
    two_models: Make
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
