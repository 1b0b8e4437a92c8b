"""Test the gain of a selection, by running the selection on gains with random signs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from query_adapters.evaluation.groups import group_sums
from query_adapters.evaluation.significance import random_signs
from query_adapters.training.candidates import OutOfFoldTable
from query_adapters.training.choice import NONE, choose
from query_adapters.training.cross_fitting import splits_of
from query_adapters.training.view_test import skewness_corrected
from query_adapters.typing import Rows, Values

N_FLIPS = 999
ROUNDING = 1e-9  # of a difference between equal statistics


def selection_p_value(
    table: OutOfFoldTable,
    place: int,
    *,
    groups: Rows,
    held_out: Rows,
    veto: bool = True,
    n_flips: int = N_FLIPS,
    seed: int = 0,
) -> float:
    """Return the probability of so large a cross-fitted gain if no candidate gained anything.

    Under that hypothesis, the gains of all candidates on a group of questions are as likely with
    the opposite signs. So the signs of whole groups are flipped at random, the same for all
    candidates and views, and each time candidates are chosen and measured as in
    `cross_fitted_gains`. The flips of the questions that choose and of those that measure are the
    same, so the test allows for the choice. Without that, gains that are alike by chance in both
    let a selection among thirty candidates pass in 10 of 100 cases instead of 5.

    Args:
        table: Out-of-fold gains of every candidate.
        place: Position of the view to test.
        groups: A number per question, equal for questions that are not drawn independently in
            this view, `(n_queries,)`.
        held_out: A number per question, equal for questions that are not split between choosing
            and measuring, `(n_queries,)`.
        veto: As in `choose`.
        n_flips: Number of random signs of each group.
        seed: Seed of the signs and of the splits.

    Returns:
        One-sided p in (0, 1]; 1 if nothing is ever chosen.

    Source: Westfall, Young, Resampling-Based Multiple Testing (1993), 2.3 and 2.6, for resampling
        the whole procedure; Cameron, Gelbach, Miller, Bootstrap-Based Improvements for Inference
        with Clustered Errors (2008), III, for signs by group; `skewness_corrected` for the
        statistic.
    """
    names, member = np.unique(groups, return_inverse=True)
    signs = random_signs(np.random.default_rng(seed), n_flips, len(names))
    signs = np.concatenate([np.ones((1, len(names))), signs])  # the first row: as observed
    tested = _TestedView(table, place, member, signs, veto)
    statistics = [tested.statistics(fold_of) for fold_of in splits_of(held_out, seed)]
    if not statistics or not np.any([row[0] for row in statistics]):
        return 1.0
    observed, *flipped = np.mean(statistics, axis=0)
    reached = int((np.array(flipped) >= observed - ROUNDING).sum())
    return (1 + reached) / (1 + n_flips)


@dataclass(frozen=True, eq=False)
class _TestedView:
    """One view of a table whose gains are given the signs of each sample.

    The signs are those of both views' gains: the views hold the same questions, and a gain that is
    there by chance in one is likely to be there in the other.

    Attributes:
        table: Out-of-fold gains of every candidate.
        place: Position of the view.
        member: Group of each question, from 0, `(n_queries,)`.
        signs: Sign of each group, `(n_samples, n_groups)`.
        veto: As in `choose`.
    """

    table: OutOfFoldTable
    place: int
    member: Rows
    signs: Values
    veto: bool

    def statistics(self, fold_of: Rows) -> Values:
        """Return the statistic of the cross-fitted gain in each sample, `(n_samples,)`.

        It is 0 if nothing is chosen in any part.
        """
        parts = [self._part(fold_of == fold) for fold in range(int(fold_of.max()) + 1)]
        signed = [self._signed(part) for part in parts]
        own_sums: Values = np.sum([own for own, _, _ in signed], axis=0)
        moments, n_groups = np.zeros((3, len(self.signs))), 0
        for part, (own, specific, cubes) in zip(parts, signed, strict=True):
            chosen = self._chosen(~part.questions, own_sums - own)
            sums = np.stack([specific, np.broadcast_to(part.squares, cubes.shape), cubes])
            moments += _of_chosen(sums, chosen)
            n_groups += len(part.groups)
        return _statistic(moments, n_groups)

    def _part(self, questions: NDArray[np.bool_]) -> "_Part":
        gains, member = self.table.gains[:, :, :, questions], self.member[questions]
        own = group_sums(np.moveaxis(gains[:, :, 0], 2, 0), member)[0]
        tested = gains[:, self.place]
        specific = group_sums((tested[:, 0] - tested[:, 1]).T, member)[0]
        return _Part(questions, np.unique(member), own.swapaxes(1, 2), specific)

    def _signed(self, part: "_Part") -> tuple[Values, Values, Values]:
        """Return the sums of own gains by view, of tested gains and of their cubes."""
        signs = self.signs[:, part.groups]
        own = np.tensordot(signs, part.own, axes=1)
        return own, signs @ part.specific, signs @ part.specific**3

    def _chosen(self, questions: NDArray[np.bool_], own_sums: Values) -> Rows:
        """Return what is chosen on these questions in each sample, `(n_samples,)`."""
        by_view = self.table.gains[:, :, 0, questions].swapaxes(0, 1)
        n = by_view.shape[2]
        return choose(
            own_sums / n,
            by_view @ by_view.swapaxes(1, 2) / n,
            n_questions=n,
            weights=self.table.weights,
            veto=self.veto,
        )


@dataclass(frozen=True, eq=False)
class _Part:
    """Sums over the groups of one part of the questions.

    Attributes:
        questions: Which questions are in the part, `(n_queries,)`.
        groups: Their groups, `(n_groups,)`.
        own: Sums of own gains, `(n_groups, n_views, n_candidates)`.
        specific: Sums of own less control gains, `(n_groups, n_candidates)`.
    """

    questions: NDArray[np.bool_]
    groups: Rows
    own: Values
    specific: Values

    @property
    def squares(self) -> Values:
        """Sums of squares of the tested gains, the same for all signs, `(n_candidates,)`."""
        squares: Values = (self.specific**2).sum(axis=0)
        return squares


def _of_chosen(sums: Values, chosen: Rows) -> Values:
    """Return the sums `(k, n_samples, n_candidates)` of the chosen candidate, 0 without one."""
    found = np.take_along_axis(sums, np.maximum(chosen, 0)[None, :, None], axis=2)[:, :, 0]
    return np.where(chosen == NONE, 0.0, found)


def _statistic(moments: Values, n: int) -> Values:
    """Return the t statistic of n values, corrected for skewness; 0 if all are 0.

    Args:
        moments: Sums of the values, of their squares and of their cubes, `(3, n_samples)`.
        n: Number of values.
    """
    sums, squares, cubes = moments
    scale = np.sqrt(squares / n)
    scale[scale == 0] = np.inf
    return np.where(squares > 0, skewness_corrected(sums / scale, cubes / scale**3, n), 0.0)
