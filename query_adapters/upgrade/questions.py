"""Labelled questions over an index, as the new model, the old one and both embed them."""

from dataclasses import dataclass
from functools import cached_property

from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, judged_rows
from query_adapters.data.splits import query_groups
from query_adapters.embedders.two_models import Served, joined
from query_adapters.stores import StoredVectors
from query_adapters.typing import Vectors
from query_adapters.upgrade.learning import equal_parts
from query_adapters.upgrade.models import Models


@dataclass(frozen=True, kw_only=True, eq=False)
class AskedQuestions:
    """Labelled questions, embedded when they are first needed.

    Attributes:
        questions: The questions.
        index: The stored vectors.
        models: The models that embed them.
    """

    questions: RetrievalDataset
    index: StoredVectors
    models: Models

    @property
    def texts(self) -> list[str]:
        """The questions."""
        return list(self.questions.queries.values())

    @cached_property
    def by_new(self) -> Vectors:
        """Vectors by the new model, `(n_questions, dim_new)`."""
        return self.models.queries("new", self.texts)

    @cached_property
    def by_old(self) -> Vectors | None:
        """Vectors by the old model, `(n_questions, dim_old)`; None without it."""
        return None if self.models.old is None else self.models.queries("old", self.texts)

    def ways(
        self, bridge: LinearAdapter
    ) -> dict[Served, tuple[EmbeddedDataset, LinearAdapter | None]]:
        """Return the questions by the models that embed them, and what training starts from."""
        new = self._over_index(self.by_new, of_two_models=True), bridge
        if self.by_old is None:
            return {"new": new}
        both = self._over_index(joined(self.by_old, self.by_new), of_two_models=True)
        return {
            "old": (self._over_index(self.by_old), None),
            "new": new,
            "both": (both, equal_parts(bridge, self.by_new, self.by_old)),
        }

    def _over_index(self, queries: Vectors, *, of_two_models: bool = False) -> EmbeddedDataset:
        return EmbeddedDataset(
            queries,
            self.index.vectors,
            *judged_rows(self.questions, self.index.row_of),
            query_groups(self.questions),
            of_two_models=of_two_models,
        )
