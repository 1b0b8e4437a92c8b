"""Results of question generation: the dataset and a quality summary."""

from collections.abc import Mapping
from dataclasses import dataclass

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import check_leakage, split_by_document
from query_adapters.typing import Texts

SHOWN = 5  # failed chunks that the summary names


@dataclass(frozen=True, kw_only=True)
class QualitySummary:
    """Summary of a generation run.

    Attributes:
        model_name: Name of the language model.
        n_chunks: All chunks.
        n_questions: Questions kept.
        dropped: Questions left out, by reason.
        short: Chunks with fewer questions than requested, by id, with the reason.
        failures: Chunks without a question, by id, with the reason.
        styles: Questions kept, by style.
        overlap: Mean share of a question's words that are in its own chunk, 0..1.
        n_judged: Further relevant chunks that the judge added.
        n_answers: Paid answers of this run; answers from the journal are free.
        tokens: Estimated tokens of these answers and their prompts.
        cost: Estimated price; None if prices are unknown.
    """

    model_name: str
    n_chunks: int
    n_questions: int
    dropped: Mapping[str, int]
    short: Mapping[str, str]
    failures: Mapping[str, str]
    styles: Mapping[str, int]
    overlap: float
    n_judged: int
    n_answers: int
    tokens: int
    cost: float | None

    def __str__(self) -> str:
        asked = self.n_chunks - len(self.failures)
        cost = "" if self.cost is None else f", about {self.cost:.4f} at the prices given"
        lines = [
            f"{self.n_questions:,} questions about {asked:,} of {self.n_chunks:,} chunks, by "
            f"{self.model_name}",
            f"  styles     {_counts(self.styles)}",
            f"  dropped    {_counts(self.dropped)}",
            f"  judged     {self.n_judged:,} further relevant chunks",
            f"  overlap    {self.overlap:.0%} of a question's words are in its own chunk",
            f"  paid for   {self.n_answers:,} answers, about {self.tokens:,} tokens{cost}",
            f"  short      {len(self.short):,} chunks with fewer questions than asked for",
            f"  failed     {len(self.failures):,} chunks without a question",
        ]
        shown = list(self.failures.items())[:SHOWN]
        lines += [f"    {chunk}: {reason}" for chunk, reason in shown]
        if len(self.failures) > SHOWN:
            lines.append(f"    and {len(self.failures) - SHOWN:,} more")
        return "\n".join(lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items() if n) or "none"


@dataclass(frozen=True, kw_only=True)
class GeneratedQuestions:
    """Generated questions with their dataset and summary.

    Attributes:
        dataset: The questions, all chunks with text, and the judgements.
        styles: Requested style of each question, by question id.
        summary: What was kept and left out, and what it cost.
    """

    dataset: RetrievalDataset
    styles: Texts
    summary: QualitySummary

    @property
    def failures(self) -> Mapping[str, str]:
        """Chunks without a question, by id, with the reason."""
        return self.summary.failures

    def split(
        self, *, held_out: float = 0.3, seed: int = 0, sources: Texts | None = None
    ) -> tuple[RetrievalDataset, RetrievalDataset]:
        """Return (training, validation) datasets that share neither a chunk nor a question.

        Arguments and errors are those of `split_by_document`; with `sources`, chunks of one file
        stay in one part.
        """
        training, validation = split_by_document(
            self.dataset, held_out=held_out, seed=seed, sources=sources
        )
        check_leakage(training.queries, validation.queries)
        return training, validation
