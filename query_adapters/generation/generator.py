"""Generate questions about chunks: concurrent, resumable, checked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import GenerationError
from query_adapters.generation.calls import Asker, CallOptions, Outcome, Request
from query_adapters.generation.costs import TOKENS_PER_QUESTION, Plan, Prices, Usage
from query_adapters.generation.journal import Journal, Key
from query_adapters.generation.parsing import parse_questions
from query_adapters.generation.prompts import (
    DEFAULT_PROMPT,
    STYLES,
    UNMARKED_STYLES,
    build_prompt,
    check_template,
    digest,
    examples_for,
    style_for,
)
from query_adapters.generation.protocol import TextGenerator
from query_adapters.generation.quality import Question, overlap
from query_adapters.generation.refinement import Checks, Refined, refine
from query_adapters.generation.result import GeneratedQuestions, QualitySummary
from query_adapters.processes.background import run_in_background
from query_adapters.typing import Texts

NO_TEXT = "it has no text"


@dataclass(frozen=True, kw_only=True)
class QuestionGenerator:
    """Asks a language model for questions about chunks.

    Args:
        llm: The model.
        prompt: A template with `{context_str}` and, optionally, `{num_questions_per_chunk}`.
        n_questions: Questions per chunk, at least 1. If an answer has fewer, the model is asked
            again; if it has more, the first ones are used.
        styles: Names out of `STYLES`; each chunk is assigned one by its text. By default all of
            them with the default prompt, and none with another prompt.
        examples: Queries of real users; up to 8 are shown with each chunk.
        options: Concurrency, retries, timeout and failures.
        journal: File of the answers, from which a later run resumes; None for no file.
        prices: Prices of the provider, for the plan and the progress bar.
        embedder: The base model, for the checks that need vectors.
        cache: Cache of its vectors; by default none.
        checks: Which questions are kept, and the judge of further relevant chunks.
        show_progress: Whether to show progress bars.

    Raises:
        ValueError: If a setting is out of range, or a template cannot be filled.
    """

    llm: TextGenerator
    prompt: str = DEFAULT_PROMPT
    n_questions: int = 2
    styles: Sequence[str] | None = None
    examples: Sequence[str] = ()
    options: CallOptions = field(default_factory=CallOptions)
    journal: str | Path | None = None
    prices: Prices | None = None
    embedder: TextEmbedder | None = None
    cache: EmbeddingCache | None = None
    checks: Checks = field(default_factory=Checks)
    show_progress: bool = False

    def __post_init__(self) -> None:
        if self.n_questions < 1:
            raise ValueError(f"n_questions: expected at least 1, got {self.n_questions}")
        check_template(self.prompt)
        if isinstance(self.styles, str) or not set(self.styles or ()) <= set(STYLES):
            raise ValueError(f"styles: expected names out of {list(STYLES)}, got {self.styles!r}")
        self.checks.check_needs(self.embedder)

    def plan(self, chunks: Texts) -> Plan:
        """Return the plan of a run over these chunks; makes no call.

        Raises:
            InvalidDatasetError: If the journal belongs to other chunks, or is not a journal.
        """
        journal = self._journal().read()
        requests = list(self._requests(chunks).values())
        journal.check_belongs(request.key for request in requests)
        limit = self.options.retry_limit
        calls = [r for r in requests if not r.is_settled(journal, retry_limit=limit)]
        prompt_tokens = sum(request.prompt_tokens for request in calls)
        answer_tokens = len(calls) * self.n_questions * TOKENS_PER_QUESTION
        return Plan(
            model_name=self.llm.model_name,
            n_chunks=len(chunks),
            n_known=len(requests) - len(calls),
            n_calls=len(calls),
            prompt_tokens=prompt_tokens,
            answer_tokens=answer_tokens,
            cost=None if self.prices is None else self.prices.of(prompt_tokens, answer_tokens),
        )

    def run(self, chunks: Texts) -> GeneratedQuestions:
        """Return questions for the chunks (texts by id); works inside a running event loop too.

        Raises:
            InvalidDatasetError: If the journal belongs to other chunks, or is not a journal.
            GenerationError: If the provider refuses the calls, if no chunk has a question in the
                end, or, with `on_failure="fail"`, if one has none.
        """
        return run_in_background(self.arun(chunks))

    async def arun(self, chunks: Texts) -> GeneratedQuestions:
        """Return questions for the chunks; otherwise as `run`."""
        requests = self._requests(chunks)
        usage = Usage(prices=self.prices)
        with self._journal().open() as journal:
            journal.check_belongs(request.key for request in requests.values())
            asker = Asker(llm=self.llm, journal=journal, options=self.options, usage=usage)
            outcomes = await asker.ask_all(
                list(requests.values()), description="Asking", show_progress=self.show_progress
            )
            asked = dict(zip(requests, outcomes, strict=True))
            questions = self._questions(chunks, asked)
            corpus = {chunk: text for chunk, text in chunks.items() if text.strip()}
            refined = await refine(
                questions,
                corpus,
                checks=self.checks,
                embedder=self.embedder,
                cache=self.cache,
                asker=replace(asker, llm=self.checks.judge or self.llm),
                show_progress=self.show_progress,
            )
        return self._result(chunks, corpus, asked, refined, usage)

    def _journal(self) -> Journal:
        return Journal(None if self.journal is None else Path(self.journal))

    def _styles(self) -> Sequence[str]:
        if self.styles is None:
            return tuple(STYLES) if self.prompt == DEFAULT_PROMPT else ()
        return self.styles

    def _requests(self, chunks: Texts) -> dict[str, Request[tuple[str, ...]]]:
        """One request per distinct text, by the id of the first chunk with it."""
        first: dict[str, str] = {}
        for chunk, text in chunks.items():
            first.setdefault(text, chunk)
        return {chunk: self._request(chunk, text) for text, chunk in first.items() if text.strip()}

    def _request(self, chunk: str, text: str) -> Request[tuple[str, ...]]:
        style = style_for(self._styles(), text)
        build = partial(
            build_prompt,
            self.prompt,
            n_questions=self.n_questions,
            style=style,
            examples=examples_for(self.examples, text),
        )
        instructions, prompt = build(""), build(text)

        def read(answer: str) -> tuple[tuple[str, ...], str]:
            found = parse_questions(
                answer,
                instructions=instructions,
                passage=text,
                unmarked=style in UNMARKED_STYLES,
            )
            enough = len(found) >= self.n_questions
            problem = f"expected {self.n_questions} questions, got {len(found)}"
            return found[: self.n_questions], "" if enough else problem

        key = Key(chunk, digest(text), digest(self.llm.model_name, prompt))
        return Request(key=key, prompt=prompt, read=read)

    def _questions(
        self, chunks: Texts, asked: Mapping[str, Outcome[tuple[str, ...]]]
    ) -> list[Question]:
        same_text: dict[str, list[str]] = {}
        for chunk, text in chunks.items():
            same_text.setdefault(text, []).append(chunk)
        return [
            Question(
                id=digest(chunk, chunks[chunk], str(number)),
                text=text,
                style=style_for(self._styles(), chunks[chunk]),
                chunks=tuple(same_text[chunks[chunk]]),
            )
            for chunk, outcome in asked.items()
            for number, text in enumerate(outcome.value or ())
        ]

    def _result(
        self,
        chunks: Texts,
        corpus: Texts,
        asked: Mapping[str, Outcome[tuple[str, ...]]],
        refined: Refined,
        usage: Usage,
    ) -> GeneratedQuestions:
        questions = refined.questions
        failures = _failures(chunks, asked, questions)
        if not questions:
            chunk, reason = next(iter(failures.items()), ("none", "no chunks were given"))
            raise GenerationError(
                f"none of {len(chunks)} chunks has a question in the end; expected some, but "
                f"chunk {chunk!r}: {reason}"
            )
        summary = QualitySummary(
            model_name=self.llm.model_name,
            n_chunks=len(chunks),
            n_questions=len(questions),
            dropped=refined.dropped,
            short={c: o.problem for c, o in asked.items() if o.problem and c not in failures},
            failures=failures,
            styles=Counter(question.style for question in questions if question.style),
            overlap=overlap(questions, corpus),
            n_judged=refined.n_judged,
            n_answers=usage.n_answers,
            tokens=usage.prompt_tokens + usage.answer_tokens,
            cost=usage.cost,
        )
        dataset = RetrievalDataset(
            {question.id: question.text for question in questions},
            corpus,
            {question.id: question.grades for question in questions},
        )
        styles = {question.id: question.style for question in questions}
        return GeneratedQuestions(dataset=dataset, styles=styles, summary=summary)


def _failures(
    chunks: Texts,
    asked: Mapping[str, Outcome[tuple[str, ...]]],
    questions: Sequence[Question],
) -> dict[str, str]:
    """Reasons by the id of each chunk without a question."""
    answered = {chunk for question in questions for chunk in question.chunks}
    reason_of = {
        chunks[chunk]: outcome.problem if not outcome.value else "none of its questions was kept"
        for chunk, outcome in asked.items()
    }
    return {
        chunk: reason_of.get(text, NO_TEXT)
        for chunk, text in chunks.items()
        if chunk not in answered
    }
