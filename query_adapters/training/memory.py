"""The memory: kernel features of training queries (landmarks), as inputs of a linear fit."""

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.adapters.kernel import MOST_SHARPNESS, similarity_kernel
from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.typing import Rows, Values, Vectors

MAX_LANDMARKS = 4_000
ROWS_AT_ONCE = 4_000
JITTER = 1e-6  # added to the kernel matrix's diagonal of ones: repeated queries make it singular


@dataclass(frozen=True, kw_only=True)
class MemorySettings:
    """How much a map may rely on similar training queries.

    Attributes:
        ease: r > 0, how much less the memory's weights are regularized than the linear part.
        sharpness: β in (0, 80] of the kernel; the higher, the more similar a query must be to a
            landmark to be affected by it.

    Raises:
        ValueError: If a setting is out of range.
    """

    ease: float
    sharpness: float

    def __post_init__(self) -> None:
        if not (0 < self.ease < inf and 0 < self.sharpness <= MOST_SHARPNESS):
            raise ValueError(
                f"expected an ease above 0 and a sharpness above 0, at most {MOST_SHARPNESS:g}, "
                f"got {self.ease} and {self.sharpness}"
            )


MEMORIES = (MemorySettings(ease=300.0, sharpness=2.5),)
"""Memory settings to try."""


def memories_of(memory: bool | Literal["auto"]) -> tuple[MemorySettings | None, ...]:
    """Return the memory settings to try: with one alone (True), without (False), or both ("auto").

    Raises:
        TypeError: If it is something else.
    """
    if memory == "auto":
        return (None, *MEMORIES)
    if not isinstance(memory, bool):
        raise TypeError(f'memory: expected "auto", True or False, got {memory!r}')
    return MEMORIES if memory else (None,)


@dataclass(frozen=True, eq=False)
class Memory:
    """Kernel features of a query, `φ(q) = √r L⁻¹ k(Z, q - c)` with `L Lᵀ = k(Z, Z)`.

    With these features, the squared norm of the weights is the squared norm of the memory in the
    kernel's space, divided by r. Queries are centred, because the cosines of some models' vectors
    all lie close to 1, where the kernel is flat.

    Attributes:
        settings: r and β.
        centre: c, mean of the training queries at length 1, `(dim,)`.
        landmarks: Z, training queries at length 1, centred, at length 1 again,
            `(n_landmarks, dim)`.
        root: L, lower triangular (Cholesky factor), `(n_landmarks, n_landmarks)`.

    Source: Schölkopf, Smola, Learning with Kernels (2002), 4.2 (representer theorem).
    """

    settings: MemorySettings
    centre: Vectors
    landmarks: Vectors
    root: Values

    @classmethod
    def of(cls, dataset: EmbeddedDataset, settings: MemorySettings) -> "Memory":
        """Return the memory of the dataset's queries, at most 4,000 of them."""
        units = unit(dataset.queries)
        centre: Vectors = units.mean(axis=0)
        landmarks = unit(units[landmark_rows(dataset)] - centre)
        kernel = _exact_kernel(landmarks, landmarks, settings.sharpness)
        jittered = kernel + JITTER * np.eye(len(landmarks))
        return cls(settings, centre, landmarks, cholesky(jittered, lower=True))

    def features(self, units: Vectors) -> Vectors:
        """Return φ of queries of length 1, `(n_queries, n_landmarks)`."""
        features = np.empty((len(units), len(self.landmarks)), dtype=np.float32)
        for start in range(0, len(units), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            centred = unit(units[rows] - self.centre)
            kernel = _exact_kernel(self.landmarks, centred, self.settings.sharpness)
            solved = solve_triangular(self.root, kernel, lower=True)
            features[rows] = np.sqrt(self.settings.ease) * solved.T
        return features

    def adapter(self, linear: LinearAdapter, weights: Vectors) -> KernelAdapter:
        """Return the adapter whose memory has these weights on φ.

        Args:
            linear: The linear part of the adapter.
            weights: Weights of φ, `(dim, n_landmarks)`.
        """
        values = solve_triangular(self.root.T, weights.T.astype(np.float64), lower=False)
        scaled = np.sqrt(self.settings.ease) * values
        return KernelAdapter(
            linear, self.landmarks, scaled, self.settings.sharpness, centre=self.centre
        )


def _exact_kernel(landmarks: Vectors, units: Vectors, sharpness: float) -> Values:
    """Return k in double precision: L⁻¹ magnifies errors if landmarks are near-duplicates."""
    return similarity_kernel(landmarks.astype(np.float64) @ units.T.astype(np.float64), sharpness)


def landmark_rows(dataset: EmbeddedDataset) -> Rows:
    """Return the rows of the queries to use as landmarks: all, or 4,000 spread over the documents.

    Selection takes the first query of every document, then the second, and so on.
    """
    n_queries = len(dataset.queries)
    if n_queries <= MAX_LANDMARKS:
        return np.arange(n_queries)
    seen: dict[int, int] = {}
    order = np.empty(n_queries, dtype=np.int64)
    for query, rows in enumerate(dataset.relevant):
        order[query] = seen[rows[0]] = seen.get(rows[0], -1) + 1
    return np.sort(np.argsort(order, kind="stable")[:MAX_LANDMARKS])
