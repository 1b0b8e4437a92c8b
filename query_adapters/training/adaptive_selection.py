"""Select a candidate, with further fold assignments while the decision is close."""

from dataclasses import dataclass

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.candidates import OutOfFoldTable
from query_adapters.training.decision import QuestionGroups, Selection, select_candidate
from query_adapters.training.folds import make_views
from query_adapters.training.selection import Grid
from query_adapters.training.workers import SERIAL, Workers
from query_adapters.typing import Guard

CLOSE = (0.005, 0.3)  # p values between which the decision may depend on the fold assignment
N_MORE = 2  # fold assignments that are added then


@dataclass(frozen=True, kw_only=True)
class SelectionOptions:
    """How candidates are compared.

    Attributes:
        n_folds: Folds of the cross-validation in each view.
        n_repeats: How often questions are assigned to folds anew, at the least.
        seen_share: Expected share of future questions about documents with training questions.
        guard: How sure the gain must be.
        seed: Of the folds and the test.
        show_progress: Whether to show a progress bar.
        workers: Where candidates are fitted.
    """

    n_folds: int
    n_repeats: int
    seen_share: float
    guard: Guard
    seed: int
    show_progress: bool
    workers: Workers = SERIAL

    def select(
        self, grid: Grid, dataset: EmbeddedDataset
    ) -> tuple[OutOfFoldTable | None, Selection]:
        """Return the out-of-fold table and the selection; no table if nothing can be held out.

        A p value far from the limit is decided on the first fold assignments. The error rate grows
        by less than the lower end of `CLOSE`, because only there a decision is final early.
        """
        groups = QuestionGroups.of(dataset)
        table = self._table(grid, dataset, self.n_repeats)
        selection = select_candidate(table, groups, guard=self.guard, seed=self.seed)
        if table is not None and self._is_close(selection):
            table = self._table(grid, dataset, self.n_repeats + N_MORE, known=table)
            selection = select_candidate(table, groups, guard=self.guard, seed=self.seed)
        return table, selection

    def _is_close(self, selection: Selection) -> bool:
        if self.guard != "strict" or selection.evidence is None:
            return False
        return CLOSE[0] < selection.evidence.p_value < CLOSE[1]

    def _table(
        self,
        grid: Grid,
        dataset: EmbeddedDataset,
        n_repeats: int,
        *,
        known: OutOfFoldTable | None = None,
    ) -> OutOfFoldTable | None:
        views = make_views(
            dataset,
            n_folds=self.n_folds,
            n_repeats=n_repeats,
            seed=self.seed,
            seen_share=self.seen_share,
        )
        if not views:
            return None
        return grid.score(
            dataset,
            views,
            known=known,
            workers=self.workers,
            show_progress=self.show_progress,
        )
