"""The keyword-only arguments of the engines: what every door takes, and hands on."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.typing import Similarity

Guard = Literal["strict", "expected", "off"]


class TrainerOptions(TypedDict, total=False):
    """Settings of the training; `AdapterTrainer` explains them and holds their defaults."""

    metric: str
    guard: Guard
    seen_share: float | None
    strengths: Sequence[float]
    whitenings: Sequence[float]
    similarity: Similarity
    n_folds: int
    seed: int


class EngineOptions(TrainerOptions, total=False):
    """The keyword-only arguments that the engine of every door takes."""

    val_dataset: QADataset | RetrievalDataset | None
    memory: bool
    cache_path: str | Path | None


class LabelFreeSettings(TypedDict, total=False):
    """Settings of the whitening; `LabelFreeFinetuner` explains them and holds their defaults."""

    exponent: float
    metric: str
    guard: Guard
    similarity: Similarity


class LabelFreeOptions(LabelFreeSettings, total=False):
    """The keyword-only arguments that the label-free engine of every door takes."""

    check_dataset: QADataset | RetrievalDataset | None
    cache_path: str | Path | None
    verbose: bool


def known(given: Mapping[str, Any], options: Any) -> dict[str, Any]:
    """Return the settings, if the TypedDict `options` names them all.

    Raises:
        TypeError: If it does not.
    """
    names = options.__optional_keys__
    unknown = sorted(given.keys() - names)
    if unknown:
        raise TypeError(
            f"unexpected arguments: {', '.join(unknown)}; settings of training are "
            f"{', '.join(sorted(names))}"
        )
    return dict(given)


def tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the trainer's sequences as it takes them.

    Raises:
        TypeError: If one is a single value.
    """
    given = [name for name in ("strengths", "whitenings") if name in settings]
    for name in given:
        if isinstance(settings[name], str) or not isinstance(settings[name], Iterable):
            raise TypeError(
                f"{name}: expected several numbers, got {settings[name]!r}; put one in a list"
            )
    return {**settings, **{name: tuple(settings[name]) for name in given}}


def check_flags(**flags: object) -> None:
    """Check that each is True or False.

    Raises:
        TypeError: If one is something else, whose truth may not be what is meant.
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise TypeError(f"{name}: expected True or False, got {flag!r}")


def ranked_by(similarity: Similarity | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the index's similarity, where it tells one and they do not."""
    return {**({} if similarity is None else {"similarity": similarity}), **settings}
