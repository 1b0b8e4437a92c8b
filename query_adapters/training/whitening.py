"""Label-free whitening: an adapter from the spectrum of an index, checked if there are labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import Any, get_args

import numpy as np

from query_adapters.adapters import LinearAdapter
from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import InvalidVectorsError
from query_adapters.evaluation import DEFAULT_METRICS, evaluate_vectors
from query_adapters.evaluation.groups import usable_groups
from query_adapters.evaluation.metrics import Metric
from query_adapters.evaluation.pairwise import MetricComparison, compare
from query_adapters.training.candidates import ViewScore
from query_adapters.training.guard import ALPHA, answer_groups, max_t_p_value
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.prior import spectral_prior
from query_adapters.training.verdict import ResultWithVerdict
from query_adapters.training.whitening_verdict import checked_verdict, unchecked_verdict
from query_adapters.typing import Guard, Similarity, Values, Vectors

EXPONENT = 0.15
LEADING = 0.1  # share of the directions that count as leading
ROWS_AT_ONCE = 10_000  # of documents, which may be more than memory holds
EMPTY = 1e-12  # variance of unit vectors that is rounding error


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class WhiteningResult(ResultWithVerdict):
    """A label-free adapter, and what is known about it.

    Attributes:
        verdict: The outcome; it says so if nothing was checked.
        adapter: The map; the identity if a check showed no gain.
        exponent: p of the whitening that was tried.
        n_documents: Documents whose spectrum it was computed from.
        mean_cosine: Mean cosine between a document vector and its image: how far the whitening
            turns a typical direction. Documents stand in for questions.
        leading_share: Share of the documents' variance in the leading tenth of directions,
            before and after.
        comparison: Base against whitening on the check questions, by metric; None without any.
    """

    adapter: LinearAdapter
    exponent: float
    n_documents: int
    mean_cosine: float
    leading_share: tuple[float, float]
    comparison: Mapping[str, MetricComparison] | None

    def to_record(self) -> dict[str, Any]:
        """Return everything but the weights, as JSON can hold it."""
        measured = {name: c.difference.__dict__ for name, c in (self.comparison or {}).items()}
        return {
            **self.verdict.to_record(),
            "labels": "none",
            "exponent": self.exponent,
            "n_documents": self.n_documents,
            "mean_cosine": self.mean_cosine,
            "leading_share": list(self.leading_share),
            "check": measured,
        }


def whitening_adapter(
    documents: Vectors, *, exponent: float = EXPONENT, similarity: Similarity = "cosine"
) -> LinearAdapter:
    """Return the spectral prior of the index's documents as an adapter; no label is needed.

    Args:
        documents: Vectors of the index that will be searched, `(n_documents, dim)`.
        exponent: p, at least 0; 0 is the identity, 0.5 whitens fully.
        similarity: What the store ranks by.

    Raises:
        InvalidVectorsError: If there is no vector, or one is not finite.
        ValueError: If the exponent is out of range.
    """
    if not 0 <= exponent < inf:
        raise ValueError(f"expected a finite exponent from 0, got {exponent}")
    is_matrix = documents.ndim == 2 and 0 not in documents.shape
    if not is_matrix or not all(np.isfinite(block).all() for block in _blocks(documents)):
        raise InvalidVectorsError(
            f"documents: expected finite vectors, (n, dim), got shape {documents.shape} or values "
            "that are NaN or infinite; read them from the index again"
        )
    prior = spectral_prior(documents, exponent=exponent, similarity=similarity)
    return LinearAdapter(prior, keeps_length=LinearScore.of(documents, similarity).keeps_length)


def whiten(
    documents: Vectors,
    *,
    exponent: float = EXPONENT,
    check: EmbeddedDataset | None = None,
    metric: str = "ndcg@10",
    guard: Guard = "strict",
    similarity: Similarity = "cosine",
) -> WhiteningResult:
    """Return the whitening of an index, checked on labelled questions if there are any.

    Without labelled questions it cannot be known whether whitening helps, and the verdict says
    "not checked". With them, one candidate is compared with the base, under the guard of
    `AdapterTrainer`; nothing is fitted to the questions. With enough questions to train on,
    `AdapterTrainer` is better: this whitening is its first candidate.

    Args:
        documents: Vectors of the index that will be searched, `(n_documents, dim)`.
        exponent: p, at least 0.
        check: Labelled questions over the same documents; nothing is fitted to them.
        metric: Metric that base and whitening are compared on.
        guard: "strict" keeps the whitening only if its gain on `check` is more than chance
            explains, "expected" if it is better by a standard error, "off" always.
        similarity: What the store ranks by.

    Raises:
        InvalidVectorsError: If a document vector is not finite.
        UnknownMetricError: If the metric is unknown.
        ValueError: If exponent or guard are out of range.
    """
    Metric.parse(metric)
    if guard not in get_args(Guard):
        raise ValueError(f"expected a guard of {get_args(Guard)}, got {guard}")
    adapter = whitening_adapter(documents, exponent=exponent, similarity=similarity)
    cosine, leading_share = _turned(documents, adapter)
    comparison, is_kept = None, True
    verdict = unchecked_verdict(*documents.shape, exponent=exponent, cosine=cosine, metric=metric)
    if check is not None:
        comparison, differences = _compared(check, adapter, metric, similarity)
        p_value = max_t_p_value([differences], 0, groups=answer_groups(check.relevant))
        is_kept = _is_kept(differences, p_value, guard)
        verdict = checked_verdict(
            comparison[metric].difference,
            float(ViewScore.of(differences).error),
            n_queries=len(differences),
            p_value=p_value,
            is_kept=is_kept,
            guard=guard,
            metric=metric,
        )
    return WhiteningResult(
        adapter=adapter if is_kept else LinearAdapter.identity(documents.shape[1]),
        exponent=exponent,
        n_documents=len(documents),
        mean_cosine=cosine,
        leading_share=leading_share,
        comparison=comparison,
        verdict=verdict,
    )


def _compared(
    check: EmbeddedDataset, adapter: LinearAdapter, metric: str, similarity: Similarity
) -> tuple[dict[str, MetricComparison], Values]:
    metrics = tuple(dict.fromkeys((*DEFAULT_METRICS, metric)))
    base = evaluate_vectors(check, metrics=metrics, similarity=similarity)
    adapted = evaluate_vectors(check, adapter, metrics=metrics, similarity=similarity)
    gains = adapted.per_query[metric] - base.per_query[metric]
    differences: Values = check.relative_weights * gains
    return compare(base, adapted, groups=usable_groups(check.document_groups)), differences


def _is_kept(differences: Values, p_value: float, guard: Guard) -> bool:
    gain = ViewScore.of(differences)
    is_likely = gain.mean > gain.error
    return guard == "off" or (is_likely and (guard == "expected" or p_value <= ALPHA))


def _turned(documents: Vectors, adapter: LinearAdapter) -> tuple[float, tuple[float, float]]:
    """Return the mean cosine of documents and their images, and the leading share of each."""
    n, dim = documents.shape
    cosine, sums, squares = 0.0, np.zeros((2, dim)), np.zeros((2, dim, dim))
    for block in _blocks(documents):
        units = np.stack([unit(block), unit(adapter(block))]).astype(np.float64)
        cosine += float((units[0] * units[1]).sum())
        sums += units.sum(axis=1)
        squares += units.transpose(0, 2, 1) @ units
    means = sums / n
    before, after = squares / n - means[:, :, None] * means[:, None, :]
    return cosine / n, (_leading_share(before), _leading_share(after))


def _leading_share(covariance: Values) -> float:
    """Return the share of the variance in the leading tenth of directions."""
    variances = np.linalg.eigvalsh(covariance)
    total = float(variances.sum())
    leading = float(variances[-ceil(LEADING * len(variances)) :].sum())
    return leading / total if total > EMPTY else 0.0


def _blocks(documents: Vectors) -> Iterator[Vectors]:
    return (documents[at : at + ROWS_AT_ONCE] for at in range(0, len(documents), ROWS_AT_ONCE))
