"""Choose a candidate by its gains in each view; many samples of the gains at once."""

import numpy as np

from query_adapters.typing import Rows, Values

CLOSE = 0.5  # standard errors by which a gain may be behind the greatest one
ROUNDING = 1e-12  # of a difference between equal gains
NONE = -1  # in place of a position: no candidate gains anything


def choose(
    means: Values, products: Values, *, n_questions: int, weights: Values, veto: bool = True
) -> Rows:
    """Return the position of the chosen candidate in each sample, `(n_samples,)`; -1 for none.

    Of the candidates whose weighted gain is within half a standard error of the greatest, it is
    the one whose gain varies least over questions. The standard error is that of the difference
    between the two. So small a difference means nothing, and a gain that varies less is more
    likely to hold on other questions. Of both views, standard errors and deviations are added up
    by weight, as if the views were perfectly correlated, since they hold the same questions.

    Args:
        means: Mean gain, `(n_samples, n_views, n_candidates)`.
        products: Mean product of the gains of two candidates on a question,
            `(n_views, n_candidates, n_candidates)`. It is the same in every sample, because
            samples differ in the signs of gains alone.
        n_questions: Number of questions behind the means, at least 1.
        weights: Weight of each view, `(n_views,)`.
        veto: Whether to leave out candidates that are worse than the base in a view by more than
            a standard error.

    Source: Breiman et al., Classification and Regression Trees (1984), 3.4.3, for the rule of one
        standard error; here half of one, of paired differences.
    """
    squares = np.diagonal(products, axis1=1, axis2=2)
    deviations = _deviations(squares, means, n_questions)
    overall = np.einsum("v,svc->sc", weights, means)
    if veto:
        overall[(means < -deviations / np.sqrt(n_questions)).any(axis=1)] = -np.inf
    greatest = overall.argmax(axis=1)
    samples = np.arange(len(means))
    behind = np.take_along_axis(means, greatest[:, None, None], axis=2) - means
    squared = (
        squares[:, greatest].T[:, :, None] + squares - 2 * products[:, greatest].swapaxes(0, 1)
    )
    errors = _deviations(squared, behind, n_questions) / np.sqrt(n_questions)
    is_close = weights @ (behind - CLOSE * errors) <= ROUNDING
    spread = np.where(is_close & (overall > 0), weights @ deviations, np.inf)
    return np.where(overall[samples, greatest] > 0, spread.argmin(axis=1), NONE)


def _deviations(squares: Values, means: Values, n: int) -> Values:
    """Return the standard deviation of n values with these mean squares and means; 0 for n = 1."""
    variances = np.maximum(squares - means**2, 0.0) * n / max(1, n - 1)
    return np.sqrt(variances)
