"""L-BFGS for the convex objective; it needs no learning rate, epochs, seed or batch order."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from scipy.optimize import minimize

from query_adapters.training.objective import SoftmaxObjective
from query_adapters.typing import Values

MAX_ROUNDS = 8  # solves with labels of units shared anew
SETTLED = 0.01  # fraction of the objective
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Precision:
    """Stopping criteria; the solver stops at the first one that is met.

    Attributes:
        max_iterations: Largest number of steps.
        gradient: Converged if no entry of the gradient is larger than this.
        decrease: Converged if a step decreases the objective by a smaller fraction than this.
    """

    max_iterations: int = 300
    gradient: float = 1e-5
    decrease: float = 1e-7


FINE = Precision()
COARSE = Precision(gradient=1e-4, decrease=1e-5)  # within 2 % of the optimum, in half the time


def solve(objective: SoftmaxObjective, start: Values, *, precision: Precision = FINE) -> Values:
    """Return the coordinates `(n, m)` that minimize the objective, searching from `start`."""

    def fun(flat: Values) -> tuple[float, Values]:
        value, gradient = objective.value_and_gradient(flat.reshape(objective.shape))
        return value, gradient.ravel()

    return lbfgs(fun, start.ravel(), precision).reshape(objective.shape)


def solve_shared(
    objective: SoftmaxObjective, start: Values, *, precision: Precision = FINE
) -> tuple[SoftmaxObjective, Values]:
    """Return the minimum with the labels of units shared by the scores under the map itself.

    Which vector of a unit answers is not known: the labels are shared by the scores, f is solved,
    the labels are shared anew, until a solve lowers f by less than 1 %, at most 8 times. Without
    units it is one solve.

    Args:
        objective: f with the shares so far.
        start: Where the search begins, `(n, m)`.
        precision: When each solve stops.

    Returns:
        f with the last shares, and the coordinates that minimize it.

    Source: Dempster, Laird, Rubin, Maximum Likelihood from Incomplete Data via the EM Algorithm
        (1977), for alternating; Dietterich, Lathrop, Lozano-Pérez, Solving the Multiple Instance
        Problem (1997), for labels on sets.
    """
    at = solve(objective, start, precision=precision)
    if not objective.has_shares:
        return objective, at
    n_solves, is_settled = 1, False
    while n_solves < MAX_ROUNDS and not is_settled:
        objective = objective.shared(at)
        before = objective.value_and_gradient(at)[0]
        at = solve(objective, at, precision=precision)
        is_settled = before - objective.value_and_gradient(at)[0] < SETTLED * before
        n_solves += 1
    logger.debug("labels of units settled after %d solves", n_solves)
    return objective, at


def lbfgs(
    fun: Callable[[Values], tuple[float, Values]], start: Values, precision: Precision
) -> Values:
    """Return the minimizer of `fun`, searching from `start`.

    Args:
        fun: Returns value and gradient at a point, `(n,)`.
        start: Where the search begins, `(n,)`.
        precision: When to stop; a warning is logged if `max_iterations` is reached.

    Source: Liu, Nocedal, On the Limited Memory BFGS Method (1989); scipy's line search satisfies
        the strong Wolfe conditions.
    """
    result = minimize(
        fun,
        start,
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": precision.max_iterations,
            "gtol": precision.gradient,
            "ftol": precision.decrease,
        },
    )
    if result.nit >= precision.max_iterations:
        logger.warning("L-BFGS stopped after %d iterations before it converged", result.nit)
    found: Values = result.x
    return found
