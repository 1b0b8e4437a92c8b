"""The bridge: a map from a new model's queries into the space of stored vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from query_adapters.adapters import LinearAdapter
from query_adapters.errors import AdapterMismatchError, InvalidVectorsError
from query_adapters.evaluation.search import exact_search
from query_adapters.training.linear_score import LinearScore
from query_adapters.typing import Rows, Similarity, Values, Vectors
from query_adapters.upgrade.maps import Affine, map_kinds
from query_adapters.upgrade.plan import MIN_TEXTS

HELD_OUT = 0.2  # share of the texts that the kinds of map are compared on
MAX_HELD_OUT = 1_000
DEPTH = 10
SURE = 2.0  # standard errors that count as a difference
LEAST_FOUND = 0.25  # nDCG@10; unrelated spaces give at most 0.12 with 40 texts, and less with more


@dataclass(frozen=True, kw_only=True, eq=False)
class Bridge:
    """A fitted bridge, and how well it finds texts that it was not fitted on.

    Attributes:
        adapter: The map, from the new model's vectors to the stored ones' space.
        kind: Name of the kind of map that was chosen.
        found: nDCG@10 of the search for the stored vectors of held-out texts by their bridged
            vectors, 0..1, by kind of map; the stored vectors of all given texts are searched.
        neighbours: Mean share of the ten nearest stored vectors of a held-out text that are also
            among the ten nearest of its bridged vector, 0..1.
        n_texts: Texts that the bridge was fitted on.
    """

    adapter: LinearAdapter
    kind: str
    found: dict[str, float]
    neighbours: float
    n_texts: int

    def to_record(self) -> dict[str, Any]:
        """Return everything but the weights, as JSON can hold it."""
        return {
            "kind": self.kind,
            "found": self.found,
            "neighbours": self.neighbours,
            "n_texts": self.n_texts,
        }


def fit_bridge(
    inputs: Vectors,
    stored: Vectors,
    *,
    similarity: Similarity = "cosine",
    seed: int = 0,
) -> Bridge:
    """Return the bridge that best finds the stored vectors of held-out texts.

    The kinds of map are orthogonal Procrustes, ridge regression and a low-rank affine map. A fifth
    of the texts is held out, and each kind is judged as a search: the bridged vector of a held-out
    text has to find the text's own stored vector among those of all texts. Another kind replaces
    Procrustes only if it is better by more than two standard errors, because a map without free
    scales carries over best from texts to questions. The chosen kind is then fitted on all texts.

    Args:
        inputs: The new model's vectors of stored texts, embedded as documents like the stored
            ones, `(n_texts, dim_in)`. Embedded as queries, they gave bridges that served questions
            worse.
        stored: The stored vectors of the same texts, `(n_texts, dim_out)`.
        similarity: What the index ranks by.
        seed: Of the choice of held-out texts.

    Raises:
        AdapterMismatchError: If the bridge does not find held-out texts: the texts are not those
            of the stored vectors, or the two spaces have nothing in common.
        InvalidVectorsError: If there are fewer than 40 texts, or the numbers of vectors differ.
    """
    if len(inputs) != len(stored) or len(inputs) < MIN_TEXTS:
        raise InvalidVectorsError(
            f"bridge: expected vectors of at least {MIN_TEXTS} different texts from both models, "
            f"got {len(inputs)} and {len(stored)}; give more stored texts"
        )
    pairs = _Pairs.of(inputs, stored, similarity)
    held_out, fitted_on = _split(len(inputs), seed)
    kinds = map_kinds(inputs.shape[1], stored.shape[1])
    scores = {
        name: pairs.found(fit(pairs.inputs[fitted_on], pairs.targets[fitted_on]), held_out)
        for name, fit in kinds.items()
    }
    kind = _chosen(scores)
    found = {name: float(values.mean()) for name, values in scores.items()}
    if not found[kind] - SURE * _error(scores[kind]) >= LEAST_FOUND:
        raise _refused(found[kind], len(inputs))
    trial = kinds[kind](pairs.inputs[fitted_on], pairs.targets[fitted_on])
    return Bridge(
        adapter=pairs.adapter(kinds[kind](pairs.inputs, pairs.targets)),
        kind=kind,
        found=found,
        neighbours=pairs.kept_neighbours(trial, held_out),
        n_texts=len(inputs),
    )


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Vectors of the same texts in both spaces, as given and as training scales them."""

    new: Vectors
    stored: Vectors
    inputs: Vectors
    targets: Vectors
    score: LinearScore

    @classmethod
    def of(cls, new: Vectors, stored: Vectors, similarity: Similarity) -> "_Pairs":
        score = LinearScore.of(stored, similarity)
        inputs, targets = score.scaled_queries(new), score.scaled_documents(stored)
        return cls(new, stored, inputs, targets, score)

    def adapter(self, affine: Affine) -> LinearAdapter:
        weight, bias = (part.astype(np.float32) for part in affine)
        return self.score.adapter(weight, bias, self.new)

    def found(self, affine: Affine, held_out: Rows) -> Values:
        """Return nDCG@10 of the search for each held-out text's own vector, `(n_held_out,)`."""
        nearest = self._nearest(self.adapter(affine)(self.new[held_out]))
        hits = nearest == held_out[:, None]
        gains: Values = (hits / np.log2(np.arange(nearest.shape[1]) + 2)).sum(axis=1)
        return gains

    def kept_neighbours(self, affine: Affine, held_out: Rows) -> float:
        bridged = self._nearest(self.adapter(affine)(self.new[held_out]))
        own = self._nearest(self.stored[held_out])
        return float((bridged[:, :, None] == own[:, None, :]).sum(axis=(1, 2)).mean() / DEPTH)

    def _nearest(self, queries: Vectors) -> Rows:
        # by dot, the longest vectors would be nearest to every text, their own or not
        by: Similarity = "euclidean" if self.score.similarity == "euclidean" else "cosine"
        return exact_search(queries, self.stored, k=DEPTH, similarity=by)


def _split(n_texts: int, seed: int) -> tuple[Rows, Rows]:
    order = np.random.default_rng(seed).permutation(n_texts)
    n_held_out = min(MAX_HELD_OUT, int(HELD_OUT * n_texts))
    return order[:n_held_out], order[n_held_out:]


def _chosen(scores: dict[str, Values]) -> str:
    """Return the best kind of those that beat the first by more than two standard errors."""
    first, *others = scores
    better: Sequence[str] = [name for name in others if _is_better(scores[name] - scores[first])]
    return max((first, *better), key=lambda name: float(scores[name].mean()))


def _is_better(differences: Values) -> bool:
    return bool(differences.mean() > SURE * _error(differences))


def _error(values: Values) -> float:
    return float(values.std(ddof=1)) / float(np.sqrt(len(values)))


def _refused(found: float, n_texts: int) -> AdapterMismatchError:
    return AdapterMismatchError(
        "bridge: expected it to find the stored vectors of held-out texts (nDCG@10 surely above "
        f"{LEAST_FOUND}), got {found:.3f} with {n_texts:,} texts; check that the texts are those "
        "that the stored vectors were made of, give more texts, or embed the index again"
    )
