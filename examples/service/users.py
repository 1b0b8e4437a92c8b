"""Simulated users: what they ask on which day, and what they click."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.service.data import TOPICS
from query_adapters.data.dataset import RetrievalDataset

RELEVANT, NOISE = 0.9, 0.03  # clicks on a document that a user looks at
ASKS_SUPPORT = 0.5  # of those who clicked nothing
NEW_TOPIC = 4  # the day, from 0 on, on which a tenant's users begin to ask about something else
ASKS = {"acme": ("data", "data"), "globex": ("systems", "networks")}
"""What a tenant's users ask about, and what else from `NEW_TOPIC` on."""


@dataclass(frozen=True)
class Users:
    """The users of all tenants.

    Attributes:
        truth: All questions with the documents that answer them.
        rng: Their chance.
        eta: Strength of the position bias: a user looks at rank r with probability 1 / r^η.
    """

    truth: RetrievalDataset
    rng: np.random.Generator
    eta: float = 0.8

    def questions(self, tenant: str, day: int, n: int) -> list[str]:
        """Return the ids of `n` questions of a day, in the order in which they are asked."""
        first, second = (self._about(topic) for topic in ASKS[tenant])
        known = [*first, *second] if day >= NEW_TOPIC else first
        return [known[int(row)] for row in self.rng.integers(len(known), size=n)]

    def clicks(self, question: str, shown: Sequence[str]) -> list[str]:
        """Return the documents that a user clicks, in the order of the page."""
        looked_at = self.rng.random(len(shown)) < np.arange(1, len(shown) + 1) ** -self.eta
        relevant = [document in self.truth.qrels[question] for document in shown]
        clicked = self.rng.random(len(shown)) < np.where(relevant, RELEVANT, NOISE)
        return [shown[int(rank)] for rank in np.flatnonzero(looked_at & clicked)]

    def asks_support(self, question: str, clicked: Sequence[str]) -> str | None:
        """Return the document with which support answers a user who clicked nothing, or None."""
        asks = not clicked and self.rng.random() < ASKS_SUPPORT
        return next(iter(self.truth.qrels[question])) if asks else None

    def _about(self, topic: str) -> list[str]:
        numbers = TOPICS[topic]
        return [query for query in self.truth.queries if int(query[1:]) in numbers]
