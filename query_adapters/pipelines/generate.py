"""Generate questions about texts, batch by batch."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

from query_adapters.generation import CallOptions, QuestionGenerator, TextGenerator
from query_adapters.generation.prompts import DEFAULT_PROMPT, digest
from query_adapters.generation.providers import resolve_generator
from query_adapters.pipelines.batches import Batch, texts_of, with_columns
from query_adapters.pipelines.parquet import ParquetRows


@dataclass(frozen=True)
class GenerateQuestions:
    """Adds the questions that a language model writes about each text, as a list.

    The list of a row is empty if its text is blank, or no answer of the model could be used.

    Args:
        llm: A model's name for `resolve_generator`, such as "openai:gpt-4o-mini", or a language
            model, which is copied to each worker.
        n_questions: Questions per text, at least 1.
        prompt: A template with `{context_str}` and, optionally, `{num_questions_per_chunk}`.
        styles: Names out of `STYLES`, as in `QuestionGenerator`.
        concurrency: Requests at once in each worker, at least 1.
        text_column: Column of the texts.
        question_column: Column of the questions.

    Raises:
        ValueError: If a setting is out of range, or the template cannot be filled.
    """

    block_rows: ClassVar[int] = 64
    batch_rows: ClassVar[int] = 64

    llm: TextGenerator | str
    _: KW_ONLY
    n_questions: int = 2
    prompt: str = DEFAULT_PROMPT
    styles: Sequence[str] | None = None
    concurrency: int = 16
    text_column: str = "text"
    question_column: str = "questions"

    def __post_init__(self) -> None:
        CallOptions(concurrency=self.concurrency)
        if not isinstance(self.llm, str):
            self._generator  # noqa: B018 - settings are checked before any work

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a worker makes a named model itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def reads(self) -> tuple[str, ...]:
        """The column of texts."""
        return (self.text_column,)

    @property
    def writes(self) -> tuple[str, ...]:
        """The column of questions."""
        return (self.question_column,)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The model and what it is asked."""
        return {
            "kind": "generate",
            "model": self._generator.llm.model_name,
            "prompt": digest(self.prompt),
            "styles": None if self.styles is None else list(self.styles),
            "n_questions": self.n_questions,
        }

    def check(self, rows: ParquetRows) -> None:
        """Accept any column; whether it holds texts shows when it is read."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with the questions about its texts.

        Raises:
            InvalidDatasetError: If a row holds no text.
            GenerationError: If the provider refuses the calls, or none of the texts gets a
                question.
        """
        import pyarrow as pa

        questions = self._questions(texts_of(batch, self.text_column))
        column = pa.array(questions, type=pa.list_(pa.string()))
        return with_columns(batch, {self.question_column: column})

    def _questions(self, texts: list[str]) -> list[list[str]]:
        asked = {str(row): text for row, text in enumerate(texts) if text.strip()}
        questions: list[list[str]] = [[] for _ in texts]
        if asked:
            dataset = self._generator.run(asked).dataset
            for key, relevant in dataset.qrels.items():
                for row in relevant:
                    questions[int(row)].append(dataset.queries[key])
        return questions

    @cached_property
    def _generator(self) -> QuestionGenerator:
        return QuestionGenerator(
            llm=resolve_generator(self.llm) if isinstance(self.llm, str) else self.llm,
            prompt=self.prompt,
            n_questions=self.n_questions,
            styles=self.styles,
            options=CallOptions(concurrency=self.concurrency),
        )
