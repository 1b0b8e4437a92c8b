"""L-BFGS for the convex objective; it needs no learning rate, epochs, seed or batch order."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from scipy.optimize import minimize

from query_adapters.training.objective import SoftmaxObjective
from query_adapters.typing import Values

MAX_ROUNDS = 10  # of choosing the vectors of relevant units; 2 to 4 are usual
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


def solve_units(
    objective: SoftmaxObjective, start: Values, *, precision: Precision = FINE
) -> tuple[SoftmaxObjective, Values]:
    """Return the objective and the coordinates after alternate solving and choosing of vectors.

    For labels on units with several vectors: solve, move to the unit's best vector under the
    solution, solve again from there, until no vector changes, at most 10 times. Each solution has
    a lower softmax loss over the best vectors, of which there are finitely many choices, so this
    settles. It is one solve without units.

    Args:
        objective: f with the vectors chosen so far.
        start: Where the search begins, `(n, m)`.
        precision: When each solve stops.

    Source: Yuille, Rangarajan, The Concave-Convex Procedure (2003), theorem 2; Felzenszwalb et
        al., Object Detection with Discriminatively Trained Part-Based Models (2010), section 5.2,
        for relabelling the positives alone.
    """
    at = solve(objective, start, precision=precision)
    for _ in range(MAX_ROUNDS - 1):
        rechosen = objective.rechosen(at)
        if rechosen is objective:
            break
        objective, at = rechosen, solve(rechosen, at, precision=precision)
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
