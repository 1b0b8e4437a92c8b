"""The keyword-only options of question generation, documented once for every integration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.generation.calls import CallOptions, OnFailure
from query_adapters.generation.costs import Prices
from query_adapters.generation.generator import QuestionGenerator
from query_adapters.generation.protocol import TextGenerator
from query_adapters.generation.refinement import Checks

CALL_OPTIONS = ("concurrency", "retry_limit", "timeout", "on_failure")
CHECK_OPTIONS = ("answerable_within", "similar_above")


class GeneratorOptions(TypedDict, total=False):
    """Options of `question_generator` in both integrations.

    Attributes:
        prompt: A template with `{context_str}` and, optionally, `{num_questions_per_chunk}`.
        n_questions: Questions per chunk, at least 1; 2 by default.
        styles: Names out of `STYLES`; by default all of them with the default prompt, none with
            another prompt.
        examples: Queries of real users; up to 8 are shown with each chunk.
        journal: File of the answers, from which a later run resumes; None for no file.
        prices: Prices of the provider, for the plan and the progress bar.
        cache_path: SQLite file of the base model's embeddings; by default they are not kept.
        answerable_within: A question is kept if a relevant chunk is in the base's top k of this
            size; 10 by default, None to keep all. Needs a base model.
        similar_above: Of questions with a cosine above this, 0..1, only the first is kept; None,
            the default, keeps all. Needs a base model.
        concurrency: Requests at once, at least 1; 16 by default.
        retry_limit: Answers per chunk until one can be used, and tries per answer, at least 1;
            3 by default.
        timeout: Seconds that one try may take; 120 by default, None for the client's limit.
        on_failure: "continue" (the default) to report failures at the end, "fail" to stop at the
            first.
        show_progress: Whether to show progress bars; False by default.
    """

    prompt: str
    n_questions: int
    styles: Sequence[str] | None
    examples: Sequence[str]
    journal: str | Path | None
    prices: Prices | None
    cache_path: str | Path | None
    answerable_within: int | None
    similar_above: float | None
    concurrency: int
    retry_limit: int
    timeout: float | None
    on_failure: OnFailure
    show_progress: bool


def assemble_generator(
    llm: TextGenerator,
    *,
    embedder: TextEmbedder | None,
    judge: TextGenerator | None,
    **options: Unpack[GeneratorOptions],
) -> QuestionGenerator:
    """Return the generator with its calls and checks configured by flat options.

    Args:
        llm: The language model.
        embedder: The base model, for the checks that need vectors.
        judge: The language model that grades further chunks; None for no judge.
        **options: As in `GeneratorOptions`.

    Raises:
        TypeError: If an option is unknown.
        ValueError: If an option is out of range, or needs an embedder that is missing.
    """
    rest: dict[str, Any] = dict(options)
    calls = _taken(rest, CALL_OPTIONS)
    checks = _taken(rest, CHECK_OPTIONS)
    cache_path = rest.pop("cache_path", None)
    return QuestionGenerator(
        llm=llm,
        options=CallOptions(**calls),
        embedder=embedder,
        cache=None if cache_path is None else EmbeddingCache(cache_path),
        checks=Checks(judge=judge, **checks),
        **rest,
    )


def _taken(options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}
