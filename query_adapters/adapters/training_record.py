"""The training record of an adapter as reports read it, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from query_adapters.errors import AdapterFileError
from query_adapters.files.json_types import is_number
from query_adapters.text.shown import quoted

VIEWS = ("seen", "unseen", "overall")


@dataclass(frozen=True, kw_only=True)
class RecordedScore:
    """Mean difference from the base in one view, and its standard error."""

    mean: float
    error: float


@dataclass(frozen=True, kw_only=True)
class RecordedCandidate:
    """One row of the out-of-fold table.

    Attributes:
        settings: The settings by name, or the names of a scoring head's features.
        scores: Its scores by view; a view that was not measured is missing.
    """

    settings: Mapping[str, Any] | tuple[str, ...]
    scores: Mapping[str, RecordedScore]


@dataclass(frozen=True, kw_only=True)
class RecordedTraining:
    """What reports show of a training.

    Attributes:
        verdict: The verdict as a block of text; empty if it is not recorded.
        metric: The metric of the table; None if it is not recorded.
        chosen: The candidate that was kept, or None.
        table: All candidates.
    """

    verdict: str = ""
    metric: str | None = None
    chosen: RecordedCandidate | None = None
    table: tuple[RecordedCandidate, ...] = ()

    @property
    def best(self) -> RecordedCandidate | None:
        """The candidate that was kept, else the one with the highest mean; None without any."""
        highest = max(self.table, key=lambda row: row.scores["overall"].mean, default=None)
        return self.chosen or highest


def read_training(record: object) -> RecordedTraining:
    """Return the checked parts of a training record, as `TrainingResult.to_record` writes it.

    Raises:
        AdapterFileError: If a part is of another type than it is written.
    """
    parts = _mapping(record, "training")
    chosen = parts.get("chosen")
    return RecordedTraining(
        verdict=_text(parts.get("verdict"), "verdict") or "",
        metric=_text(parts.get("metric"), "metric"),
        chosen=None if chosen is None else _candidate(chosen, "chosen"),
        table=tuple(
            _candidate(row, f"table[{number}]")
            for number, row in enumerate(_sequence(parts.get("table"), "table"))
        ),
    )


def _candidate(row: object, place: str) -> RecordedCandidate:
    parts = _mapping(row, place)
    settings = parts.get("candidate")
    if not isinstance(settings, Mapping):
        names = _sequence(settings, f"{place}.candidate")
        settings = tuple(_text(name, f"{place}.candidate") or "" for name in names)
    scores = {view: parts[view] for view in VIEWS if parts.get(view) is not None}
    if "overall" not in scores:
        _refuse(f"{place}.overall", "a mean and its error", None)
    return RecordedCandidate(
        settings=settings,
        scores={view: _score(score, f"{place}.{view}") for view, score in scores.items()},
    )


def _score(score: object, place: str) -> RecordedScore:
    parts = _mapping(score, place)
    return RecordedScore(
        mean=_number(parts.get("mean"), f"{place}.mean"),
        error=_number(parts.get("error"), f"{place}.error"),
    )


def _number(value: object, place: str) -> float:
    return float(value) if is_number(value) else _refuse(place, "a finite number", value)


def _text(value: object, place: str) -> str | None:
    return value if value is None or isinstance(value, str) else _refuse(place, "a text", value)


def _mapping(value: object, place: str) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else _refuse(place, "an object", value)


def _sequence(value: object, place: str) -> Sequence[Any]:
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        _refuse(place, "a list", value)
    return value


def _refuse(place: str, expected: str, value: object) -> NoReturn:
    raise AdapterFileError(
        f"training record, {place}: expected {expected}, got {quoted(value)}; pass the record of a "
        "TrainingResult, or save the adapter again"
    )
