"""Generate questions for LangChain documents."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel

from langchain_adapter.documents import listed_documents
from langchain_adapter.embedder import BaseLike, as_text_embedder
from langchain_adapter.text_generator import LangChainTextGenerator
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import InvalidDatasetError
from query_adapters.generation import QuestionGenerator
from query_adapters.generation.options import GeneratorOptions, assemble_generator
from query_adapters.generation.prompts import digest


def generate_questions(
    documents: Sequence[Document],
    llm: BaseChatModel,
    *,
    output_path: str | Path | None = None,
    **options: Any,
) -> RetrievalDataset:
    """Return a dataset of questions that a language model writes for the documents.

    Args:
        documents: The chunks. The id of a document without one is a hash of its text and
            metadata, the same on every run.
        llm: Any chat model.
        output_path: File of the answers, `.jsonl`, from which an interrupted run resumes without
            paying for an answer twice. None for no file.
        **options: As in `question_generator`, which also returns the plan and the summary.

    Raises:
        InvalidDatasetError: If the file belongs to other documents; raised before any call.
        GenerationError: If the provider refuses the calls, or no question results.
        ValueError: If an option is out of range.
    """
    generator = question_generator(llm, journal=output_path, **options)
    return generator.run(texts_of(documents)).dataset


def question_generator(
    llm: BaseChatModel,
    *,
    embeddings: TextEmbedder | BaseLike | None = None,
    judge: BaseChatModel | None = None,
    structured: bool = True,
    **options: Unpack[GeneratorOptions],
) -> QuestionGenerator:
    """Return the core's generator over LangChain models; `run(texts_of(documents))` starts it.

    Args:
        llm: Any LangChain chat model.
        embeddings: The base model, LangChain's own or a `TextEmbedder`, for the checks that need
            vectors.
        judge: A chat model that grades further documents as relevant; None for no judge.
        structured: Whether a model that supports structured output is asked for it.
        **options: As in `GeneratorOptions`.

    Raises:
        TypeError: If `llm` or `judge` is not a chat model, `embeddings` not an embedding model,
            or an option unknown.
        ValueError: If an option is out of range, or needs `embeddings` that are missing.
    """
    return assemble_generator(
        LangChainTextGenerator(llm, structured=structured),
        embedder=None if embeddings is None else as_text_embedder(embeddings),
        judge=None if judge is None else LangChainTextGenerator(judge, structured=False),
        **options,
    )


def texts_of(documents: Sequence[Document]) -> dict[str, str]:
    """Return the documents' texts by id.

    Raises:
        InvalidDatasetError: If one id has two texts.
    """
    texts: dict[str, str] = {}
    for document in listed_documents(documents):
        key = id_of(document)
        if texts.setdefault(key, document.page_content) != document.page_content:
            raise InvalidDatasetError(
                f"expected unique document ids, got {key!r} for two different texts; give each "
                "document its own id"
            )
    return texts


def sources_of(documents: Sequence[Document]) -> dict[str, str]:
    """Return `metadata["source"]` by document id, where there is one."""
    return {id_of(d): str(d.metadata["source"]) for d in documents if d.metadata.get("source")}


def id_of(document: Document) -> str:
    """Return the document's id, or one made of its text and metadata."""
    if document.id:
        return document.id
    return digest(document.page_content, json.dumps(document.metadata, sort_keys=True, default=str))
