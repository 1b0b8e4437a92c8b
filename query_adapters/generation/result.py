"""What a run of the generator gives: the dataset, what was left out, and a page about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import check_leakage, split_by_document
from query_adapters.typing import Texts

SHOWN = 5  # failed chunks that the page names


@dataclass(frozen=True, kw_only=True)
class QualitySummary:
    """One page about generated questions.

    Attributes:
        model_name: The model that wrote them.
        n_chunks: Chunks in all.
        n_questions: Questions kept.
        dropped: Questions left out, by reason.
        short: Chunks with fewer questions than asked for, by id, with the reason.
        failures: Chunks without a question, by id, with the reason.
        styles: Questions kept, by style.
        overlap: Mean share of a question's words that its own chunk holds too.
        n_judged: Further relevant chunks that the judge added.
        n_answers: Answers paid for in this run; those from the journal cost nothing.
        tokens: Estimated, of these answers and their prompts.
        cost: Estimated, None if prices are unknown.
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
            f"  overlap    {self.overlap:.0%} of a question's words stand in its own chunk",
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
    """Questions for chunks that had none.

    Attributes:
        dataset: The questions, every chunk that has text, and which answers which.
        styles: How each question was to be put, by question id.
        summary: What was kept, what was left out and why, what it cost.
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

        Arguments and errors are those of `split_by_document`; with `sources`, chunks of one
        file stay on one side.
        """
        training, validation = split_by_document(
            self.dataset, held_out=held_out, seed=seed, sources=sources
        )
        check_leakage(training.queries, validation.queries)
        return training, validation
