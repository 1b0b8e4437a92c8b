"""What a question costs by each model: time and price."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.tokens import tokens_in

N_TIMED = 5  # questions embedded one at a time
A_THOUSAND = 1_000


@dataclass(frozen=True, kw_only=True)
class QuestionCost:
    """Time and price of a question by one model.

    Attributes:
        model_name: The model.
        seconds: Median time of a question asked alone, past every cache of this package.
        per_thousand: Price of a thousand questions; None without a price.
    """

    model_name: str
    seconds: float
    per_thousand: float | None

    @classmethod
    def of(
        cls, model: TextEmbedder, questions: Sequence[str], price: float | None
    ) -> "QuestionCost":
        """Return the cost of the first five questions; they are embedded once more.

        Args:
            model: The model.
            questions: Labelled questions, at least one.
            price: Price of a million tokens; None if unknown.
        """
        took = [_seconds(model, text) for text in questions[:N_TIMED]]
        tokens = tokens_in(sum(map(len, questions))) / len(questions)
        return cls(
            model_name=model.model_name,
            seconds=median(took),
            per_thousand=None if price is None else tokens * price * A_THOUSAND / 1e6,
        )

    def __str__(self) -> str:
        price = "" if self.per_thousand is None else f", {self.per_thousand:,.4f} a thousand"
        return f"{self.model_name} {1000 * self.seconds:.1f} ms{price}"


def _seconds(model: TextEmbedder, text: str) -> float:
    began = time.perf_counter()
    model.embed_queries([text])
    return time.perf_counter() - began
