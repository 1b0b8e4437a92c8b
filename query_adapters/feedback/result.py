"""The dataset that feedback gives, with what its labels rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.weights import effective_number, query_weights
from query_adapters.embedders import TextEmbedder
from query_adapters.feedback.labels import ClickLabels
from query_adapters.feedback.questions import LoggedVectors
from query_adapters.text.shown import listed, quoted, visible
from query_adapters.typing import Vectors


@dataclass(frozen=True, kw_only=True, eq=False)
class FeedbackDataset:
    """Questions with labels from feedback, and what they rest on.

    Attributes:
        dataset: The questions with the grades, 0..1, of their relevant documents.
        clicks: Propensities, noise, and the clicks behind the labels.
        n_lists: Shown lists that were used.
        n_questions: Different questions among them.
        n_ratings: Ratings of documents.
        n_citations: Citations by answers.
        dropped: What was left out, by reason; nothing is left out without being counted here.
        unanswered: Questions that were asked at least 3 times and have no label, those least likely
            to have a relevant document among the shown ones first: the retriever does not find
            their answers, or there are none. Labelled by hand, they teach most.
        vectors: Vectors of the questions whose text the log does not keep, by what stands in the
            dataset for it.
    """

    dataset: RetrievalDataset
    clicks: ClickLabels
    n_lists: int
    n_questions: int
    n_ratings: int
    n_citations: int
    dropped: Mapping[str, int]
    unanswered: tuple[str, ...] = ()
    vectors: Mapping[str, Vectors] = field(default_factory=dict, repr=False)

    def embedder(self, base: TextEmbedder) -> TextEmbedder:
        """Return the base model, or one that also knows the logged vectors of questions."""
        return LoggedVectors(base=base, vectors=self.vectors) if self.vectors else base

    @property
    def summary(self) -> str:
        """What the labels rest on, and what was left out, line by line."""
        n_labels = sum(map(len, self.dataset.qrels.values()))
        lines = [
            f"{len(self.dataset.queries):,} of {self.n_questions:,} questions have a label "
            f"({n_labels:,} labels, from {self.n_lists:,} shown lists)",
            *self._click_lines(),
        ]
        if self.dataset.weights:
            n = effective_number(query_weights(self.dataset))
            lines.append(f"Questions count by their evidence, as many as {n:,.0f} that count alike")
        if self.n_ratings or self.n_citations:
            lines.append(f"Ratings: {self.n_ratings:,}; citations: {self.n_citations:,}")
        if self.unanswered:
            shown = listed(map(quoted, self.unanswered))
            lines.append(f"Recur without a label: {shown}")
        lines += [f"Left out: {n:,} {what}" for what, n in self.dropped.items() if n]
        return visible("\n".join(lines))

    def to_record(self) -> dict[str, Any]:
        """Return the counts behind the labels, as JSON can hold them."""
        clicks, positions = self.clicks, self.clicks.propensities
        return {
            "questions": len(self.dataset.queries),
            "judgements": sum(map(len, self.dataset.qrels.values())),
            "shown_lists": self.n_lists,
            "clicks": clicks.n_clicks,
            "effective_clicks": clicks.effective_clicks,
            "propensities": None if positions is None else positions.values.tolist(),
            "noise": clicks.noise,
            "ratings": self.n_ratings,
            "citations": self.n_citations,
            "unanswered": list(self.unanswered),
            "left_out": {what: n for what, n in self.dropped.items() if n},
        }

    def _click_lines(self) -> list[str]:
        found = self.clicks
        if found.click_rate is None or found.noise is None:
            return ["Clicks: none"]
        return [
            f"Clicks behind the labels: {found.n_clicks:,.0f}, which tell as much as "
            f"{found.effective_clicks:,.0f} of equal weight",
            f"Position propensities: {found.propensities}",
            f"Clicks at the first rank: {found.click_rate:.0%} of the relevant documents, "
            f"{found.noise:.1%} of the others",
        ]

    def __str__(self) -> str:
        return self.summary
