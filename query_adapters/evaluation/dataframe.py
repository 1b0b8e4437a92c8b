"""Convert scores to JSON values and to a pandas table (extra: pandas)."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from query_adapters._extras import require_extra
from query_adapters.evaluation.scores import Contrast, Slice

Part = tuple[str, str, Slice]
"""Slice, label, scores."""


def part_records(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return the parts as JSON values."""
    return [
        {
            "slice": kind,
            "label": label,
            "n_queries": part.n_queries,
            "n_groups": part.n_groups,
            "scores": {
                metric: {system: asdict(score) for system, score in systems.items()}
                for metric, systems in part.scores.items()
            },
        }
        for kind, label, part in parts
    ]


def frame(parts: Sequence[Part]) -> Any:
    """Return a `pandas.DataFrame`, one row per slice, label, metric and system.

    Raises:
        MissingExtraError: If pandas is not installed.
    """
    require_extra("pandas")
    import pandas as pd

    return pd.DataFrame(list(_rows(parts)))


def _rows(parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    for kind, label, part in parts:
        for metric, systems in part.scores.items():
            for system, score in systems.items():
                yield {
                    "slice": kind,
                    "label": label,
                    "n_queries": part.n_queries,
                    "metric": metric,
                    "system": system,
                    **vars(score.mean),
                    **_contrast_columns(score.against),
                }


def _contrast_columns(against: Contrast | None) -> dict[str, Any]:
    if against is None:
        return {}
    others = {name: value for name, value in vars(against).items() if name != "difference"}
    difference = against.difference
    return {
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
        **others,
    }
