"""Questions for LangChain documents that have none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableSequence

from langchain_adapter.embedder import BaseLike, as_text_embedder
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import InvalidDatasetError
from query_adapters.generation import (
    DEFAULT_PROMPT,
    CallOptions,
    Checks,
    Prices,
    QuestionGenerator,
)
from query_adapters.generation.calls import OnFailure
from query_adapters.generation.prompts import digest

SCHEMA = {
    "title": "Questions",
    "description": "Search queries that the passage answers.",
    "type": "object",
    "properties": {"questions": {"type": "array", "items": {"type": "string"}}},
    "required": ["questions"],
    "additionalProperties": False,
}


class LangChainTextGenerator:
    """A `TextGenerator` over a LangChain chat model.

    Args:
        llm: The model.
        structured: Whether a model that has structured output is asked for it; any other
            model answers in plain text.

    Raises:
        TypeError: If it is no chat model.
    """

    def __init__(self, llm: BaseChatModel, *, structured: bool = True) -> None:
        if not isinstance(llm.bound if isinstance(llm, RunnableBinding) else llm, BaseChatModel):
            raise TypeError(
                "expected a LangChain chat model (langchain_core BaseChatModel), got "
                f"{type(llm).__name__}; make one, such as ChatOpenAI(model='gpt-4o-mini')"
            )
        self.llm = llm
        self._asked: Runnable[Any, Any] = (_structured(llm) if structured else None) or llm

    @property
    def model_name(self) -> str:
        """The model's name, as its integration knows it."""
        name = getattr(self.llm, "model_name", None) or getattr(self.llm, "model", None)
        return f"{type(self.llm).__name__}/{name or self.llm._llm_type}"

    async def complete(self, prompt: str) -> str:
        """Return the model's answer; the arguments where it called a function."""
        message = await self._asked.ainvoke([HumanMessage(prompt)])
        if isinstance(message, AIMessage) and message.tool_calls:
            return json.dumps(message.tool_calls[0]["args"])
        return str(message.text)


def generate_questions(
    documents: Sequence[Document],
    llm: BaseChatModel,
    *,
    output_path: str | Path | None = None,
    **options: Any,
) -> RetrievalDataset:
    """Return questions for the documents, as the core's dataset.

    Args:
        documents: The chunks. A document without an id gets one made of its text and metadata,
            the same on every run.
        llm: Any chat model.
        output_path: File of the answers, `.jsonl`: a run that was interrupted goes on there
            and pays for nothing twice. None for no file.
        options: Those of `question_generator`, which also gives plan and summary.

    Raises:
        InvalidDatasetError: If the file is of other documents; before anything is asked.
        GenerationError: If the provider refuses to be asked, or nothing came of it.
        ValueError: If an option is out of range.
    """
    generator = question_generator(llm, journal=output_path, **options)
    return generator.run(texts_of(documents)).dataset


def question_generator(
    llm: BaseChatModel,
    *,
    prompt: str = DEFAULT_PROMPT,
    n_questions: int = 2,
    styles: Sequence[str] | None = None,
    examples: Sequence[str] = (),
    journal: str | Path | None = None,
    prices: Prices | None = None,
    embedder: TextEmbedder | BaseLike | None = None,
    cache_path: str | Path | None = None,
    answerable_within: int | None = 10,
    similar_above: float | None = None,
    judge: BaseChatModel | None = None,
    structured: bool = True,
    concurrency: int = 16,
    retry_limit: int = 3,
    timeout: float | None = 120.0,
    on_failure: OnFailure = "continue",
    show_progress: bool = False,
) -> QuestionGenerator:
    """Return the core's generator over LangChain models; `run(texts_of(documents))` starts it.

    Args are those of `QuestionGenerator`, `Checks`, `CallOptions` and `LangChainTextGenerator`;
    `embedder` is the base model, LangChain's own or a `TextEmbedder`; `cache_path` is the file of
    its vectors.

    Raises:
        TypeError: If `llm` or `judge` is no chat model, or `embedder` no embedding model.
        ValueError: If an option is out of range, or needs an embedder that is not given.
    """
    return QuestionGenerator(
        llm=LangChainTextGenerator(llm, structured=structured),
        prompt=prompt,
        n_questions=n_questions,
        styles=styles,
        examples=examples,
        options=CallOptions(
            concurrency=concurrency,
            retry_limit=retry_limit,
            timeout=timeout,
            on_failure=on_failure,
        ),
        journal=journal,
        prices=prices,
        embedder=None if embedder is None else as_text_embedder(embedder),
        cache=None if cache_path is None else EmbeddingCache(cache_path),
        checks=Checks(
            answerable_within=answerable_within,
            similar_above=similar_above,
            judge=None if judge is None else LangChainTextGenerator(judge, structured=False),
        ),
        show_progress=show_progress,
    )


def texts_of(documents: Sequence[Document]) -> dict[str, str]:
    """Return the documents' texts by id.

    Raises:
        InvalidDatasetError: If one id stands for two texts.
    """
    texts: dict[str, str] = {}
    for document in documents:
        key = id_of(document)
        if texts.setdefault(key, document.page_content) != document.page_content:
            raise InvalidDatasetError(
                f"document id {key!r} stands for two texts; expected unique ids"
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


def _structured(llm: BaseChatModel) -> Runnable[Any, Any] | None:
    """The model, bound to the schema but without the parser: answers are kept as they came."""
    try:
        runnable = llm.with_structured_output(SCHEMA)
    except (NotImplementedError, ValueError):
        return None
    return runnable.first if isinstance(runnable, RunnableSequence) else None
