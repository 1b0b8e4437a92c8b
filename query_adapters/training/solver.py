"""L-BFGS on the convex objective: no learning rate, no epochs, no seed, no order of batches."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from query_adapters.training.linear_map import LinearMap
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.typing import Values, Vectors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Precision:
    """When to stop.

    Attributes:
        max_iterations: Steps at the most.
        gradient: Largest entry of the gradient at which the minimum counts as found.
        decrease: Relative decrease of the objective in a step below which it does too.
    """

    max_iterations: int = 300
    gradient: float = 1e-5
    decrease: float = 1e-7


FINE = Precision()
COARSE = Precision(gradient=1e-4, decrease=1e-5)  # within 2 % of the optimum, in half the time


def solve(
    objective: SoftmaxObjective, start: LinearMap, *, precision: Precision = FINE
) -> LinearMap:
    """Return the map at which the objective is least, found from `start`."""

    def fun(flat: Values) -> tuple[float, Values]:
        value, slope = objective.value_and_gradient(_unflatten(flat, objective.shape))
        return value, _flatten(slope)

    return _unflatten(lbfgs(fun, _flatten(start), precision), objective.shape)


def lbfgs(
    fun: Callable[[Values], tuple[float, Values]], start: Values, precision: Precision
) -> Values:
    """Return where `fun`, which gives value and gradient, is least, found from `start`.

    Source: Liu, Nocedal, On the Limited Memory BFGS Method (1989); scipy's line search meets
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
        logger.warning("stopped after %d steps before the minimum was found", result.nit)
    found: Values = result.x
    return found


def _flatten(linear: LinearMap) -> Values:
    return np.concatenate([linear.weight.ravel(), linear.bias]).astype(np.float64)


def _unflatten(flat: Values, shape: tuple[int, int]) -> LinearMap:
    numbers: Vectors = flat.astype(np.float32)
    dim = shape[0]
    return LinearMap(numbers[:-dim].reshape(shape), numbers[-dim:])
