"""Compare any number of systems on the same queries with a baseline."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.evaluation.alignment import (
    Labels,
    check_systems,
    known_groups,
    labelled_rows,
    stacked,
    warn_unlabelled,
)
from query_adapters.evaluation.dataframe import frame, part_records
from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.evaluation.groups import count_groups, usable_groups
from query_adapters.evaluation.html_tables import BRACKETS, scores_table
from query_adapters.evaluation.metadata import Facts, facts_of
from query_adapters.evaluation.query_changes import Change, changes_between
from query_adapters.evaluation.scores import Score, Scores, Slice, score
from query_adapters.text.shown import visible
from query_adapters.typing import Rows, Values

ALL = "all"  # slice and label of all queries


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Scores of several systems on the same queries.

    Attributes:
        baseline: Name of the system that the others are compared with.
        evaluations: Evaluation of each system, the baseline first.
        scores: Scores by metric and system: means and differences with intervals and tests.
        slices: Scores of subsets of the queries, by slice ("document") and label ("seen").
        dataset: The dataset; None if it was not given.
        about: Metadata by name: what was measured, when, and by which version.
        n_groups: Number of groups of queries in intervals and tests; None if queries are treated as
            independent.
    """

    baseline: str
    evaluations: Mapping[str, Evaluation]
    scores: Scores
    slices: Mapping[str, Mapping[str, Slice]]
    dataset: RetrievalDataset | None
    about: Facts = field(default_factory=dict)
    n_groups: int | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that all systems have."""
        return tuple(self.scores)

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the systems that are compared with the baseline."""
        return tuple(name for name in self.evaluations if name != self.baseline)

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return len(self.evaluations[self.baseline].per_query[self.metrics[0]])

    def differences(self, system: str, metric: str) -> Values:
        """Return system - baseline, one value per query, `(n_queries,)`."""
        base = self.evaluations[self.baseline].per_query[metric]
        return self.evaluations[system].per_query[metric] - base

    def gains(self, system: str, *, metric: str | None = None, n: int = 10) -> list[Change]:
        """Return the queries with the largest gains, largest first.

        Args:
            system: One of `others`.
            metric: One of `metrics`; by default the last.
            n: The most queries to return.
        """
        return self._changes(system, metric, n, sign=1)

    def regressions(self, system: str, *, metric: str | None = None, n: int = 10) -> list[Change]:
        """Return the queries with the largest losses, largest first; arguments as in `gains`."""
        return self._changes(system, metric, n, sign=-1)

    def _changes(self, system: str, metric: str | None, n: int, *, sign: int) -> list[Change]:
        metric = metric or self.metrics[-1]
        differences = sign * self.differences(system, metric)
        rows = np.argsort(-differences, kind="stable")[:n]
        moved = rows[differences[rows] > 0]
        evaluations = self.evaluations[self.baseline], self.evaluations[system]
        return changes_between(*evaluations, metric=metric, rows=moved, dataset=self.dataset)

    @property
    def parts(self) -> list[tuple[str, str, Slice]]:
        """Slice, label and scores; all queries ("all", "all") first, then the slices."""
        whole = Slice(n_queries=self.n_queries, scores=self.scores, n_groups=self.n_groups)
        parts = [(ALL, ALL, whole)]
        for kind, labelled in self.slices.items():
            parts += [(kind, label, part) for label, part in labelled.items()]
        return parts

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON values, without per-query values."""
        return {
            "baseline": self.baseline,
            "systems": list(self.evaluations),
            "about": dict(self.about),
            "parts": part_records(self.parts),
        }

    def to_json(self) -> str:
        """Return all figures as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, one row per slice, label, metric and system.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        return frame(self.parts)

    def __str__(self) -> str:
        lines = [f"{self.baseline}: {self.evaluations[self.baseline]}"]
        lines += [f"{name}: {self._line(name)}" for name in self.others]
        if not all(map(self._is_identical, self.others)):
            adjusted = " adjusted for the number of systems" if len(self.others) > 1 else ""
            lines.append(f"(difference from {self.baseline} [95 % interval], p{adjusted})")
        return visible("\n".join(lines))

    def _line(self, system: str) -> str:
        if self._is_identical(system):
            return f"identical to {self.baseline} on every question"
        scores = ((metric, self.scores[metric][system]) for metric in self.metrics)
        return "  ".join(_score_text(metric, score) for metric, score in scores)

    def _is_identical(self, system: str) -> bool:
        return not any(self.differences(system, metric).any() for metric in self.metrics)

    def __repr__(self) -> str:
        return visible(
            f"{type(self).__name__}({', '.join(self.others)} against {self.baseline}: "
            f"{', '.join(self.metrics)}; {self.n_queries} queries)"
        )

    def _repr_html_(self) -> str:
        """Return the table of scores for notebooks."""
        return scores_table(self.scores, caption=BRACKETS)


def compare_systems(
    evaluations: Mapping[str, Evaluation],
    *,
    baseline: str,
    slices: Mapping[str, Labels] | None = None,
    dataset: RetrievalDataset | QADataset | None = None,
    about: Facts | None = None,
    groups: Rows | None = None,
    seed: int = 0,
) -> Comparison:
    """Return the comparison of every system with the baseline: intervals, tests, slices.

    Args:
        evaluations: Evaluations by name of the system; at least two, on the same queries in one
            order.
        baseline: Name of the system that the others are compared with.
        slices: For each kind of slice, a label by query id. Queries without a label are in no slice
            of that kind; a warning names them.
        dataset: The dataset, for reports that show queries, and for `groups`.
        about: Further metadata for reports, such as `{"embedding_model":
            "openai:text-embedding-3-small", "dataset": "support, test"}`.
        groups: A group number per query; intervals and tests resample whole groups. By default the
            groups of the dataset, joined by a shared relevant document or wording. Queries are
            treated as independent without a dataset, with fewer than 20 groups, or if one group has
            over half of the queries.
        seed: Seed of the bootstrap and the permutation test.

    Raises:
        ValueError: If systems, baseline, queries, metrics or slices do not fit together.
    """
    check_systems(evaluations, baseline)
    names = [baseline, *(name for name in evaluations if name != baseline)]
    ordered = {name: evaluations[name] for name in names}
    shared = ordered[baseline].per_query
    metrics = [m for m in shared if all(m in e.per_query for e in ordered.values())]
    if not metrics:
        raise ValueError("expected a metric that all systems have, got none in common")
    values = stacked(ordered, metrics)
    query_ids = ordered[baseline].query_ids
    parts = {
        kind: labelled_rows(kind, labels, query_ids) for kind, labels in (slices or {}).items()
    }
    for kind, labels in (slices or {}).items():
        warn_unlabelled(kind, labels, query_ids)
    weights = ordered[baseline].weights if len(ordered[baseline].weights) else None
    texts = None if dataset is None else to_retrieval_dataset(dataset)
    n_documents = None if texts is None else len(texts.corpus)
    together = known_groups(texts, query_ids) if groups is None else np.asarray(groups)

    def part(rows: Rows) -> Slice:
        kept = None if together is None else together[rows]
        kept = usable_groups(kept) if groups is None and kept is not None else kept
        return Slice(
            n_queries=len(rows),
            scores=score(
                values[rows],
                metrics,
                names,
                groups=kept,
                seed=seed,
                weights=None if weights is None or not weights[rows].any() else weights[rows],
            ),
            n_groups=count_groups(kept),
        )

    whole = part(np.arange(len(values)))
    said = {} if weights is None else {"questions are": ordered[baseline].said_weights}
    return Comparison(
        baseline=baseline,
        evaluations=ordered,
        scores=whole.scores,
        slices={
            kind: {label: part(rows) for label, rows in labelled.items()}
            for kind, labelled in parts.items()
        },
        dataset=texts,
        about=facts_of(
            said | dict(about or {}), n_queries=len(values), n_documents=n_documents, seed=seed
        ),
        n_groups=whole.n_groups,
    )


def _score_text(metric: str, score: Score) -> str:
    against = score.against
    if against is None:
        return f"{metric} {score.mean.mean:.3f}"
    gain = against.difference
    return (
        f"{metric} {score.mean.mean:.3f} ({gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], "
        f"p = {against.p_adjusted:.2g})"
    )
