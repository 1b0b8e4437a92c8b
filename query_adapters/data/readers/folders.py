"""Files of one split in a folder: as `save_to_disk` of Hugging Face writes it, or downloaded."""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from query_adapters.errors import InvalidDatasetError
from query_adapters.files.foreign import refusing
from query_adapters.files.json_reading import read_json_file

STATE, SPLITS = "state.json", "dataset_dict.json"  # files that `save_to_disk` writes
KINDS = (".parquet", ".jsonl", ".csv", ".arrow")  # of files of a split, in this order
PLAIN = re.compile(r"(?!\.{1,2}$)[^/\\\0]+")  # a name without folders
DEFAULT = "train"


def split_of(names: Collection[str], wanted: str | None, place: str) -> str:
    """Return the wanted split; without a wish the only one, or `train`.

    Raises:
        InvalidDatasetError: If there is no such split.
    """
    if wanted is None and len(names) == 1:
        return next(iter(names))
    name = wanted or DEFAULT
    if name not in names:
        raise InvalidDatasetError(
            f"{place}: has no split {name!r}; expected one of {', '.join(map(repr, names))}"
        )
    return name


def has_splits(folder: Path) -> bool:
    """Return whether the folder holds splits, and not one saved table."""
    return not (folder / STATE).exists()


def files_of(folder: Path, split: str | None) -> list[Path]:
    """Return the files of the split, in order.

    Raises:
        InvalidDatasetError: If the folder holds no files of a split, or not of this one.
    """
    if not has_splits(folder):
        if split is not None:
            raise InvalidDatasetError(f"{folder}: has no splits, got split {split!r}")
        return _saved(folder)
    if (folder / SPLITS).exists():
        names = _names(folder / SPLITS, lambda content: content["splits"])
        return _saved(folder / split_of(names, split, str(folder)))
    return _downloaded(folder, split)


def _saved(folder: Path) -> list[Path]:
    """Return the files of a saved table."""
    names = _names(
        folder / STATE, lambda content: [file["filename"] for file in content["_data_files"]]
    )
    return [folder / name for name in names]


def _names(path: Path, listed: Callable[[Any], list[str]]) -> list[str]:
    """Return the names of files or folders that a file lists, all beside it."""
    content = read_json_file(path, error=InvalidDatasetError)
    with refusing(str(path), "a file that `save_to_disk` wrote", error=InvalidDatasetError):
        names = list(listed(content))
        if not all(map(PLAIN.fullmatch, names)):
            raise ValueError(f"names of other folders: {names[:3]}")
    return names


def _downloaded(folder: Path, split: str | None) -> list[Path]:
    """Return files named `<split>.<kind>` or `<split>-00000-of-00001.<kind>`, here or in `data`."""
    for place in (folder, folder / "data"):
        for kind in KINDS:
            found: dict[str, list[Path]] = {}
            for file in sorted(place.glob(f"*{kind}")):
                found.setdefault(file.stem.partition("-")[0], []).append(file)
            if found:
                return found[split_of(found, split, str(place))]
    raise InvalidDatasetError(
        f"{folder}: expected a BEIR folder, a dataset saved by Hugging Face, or files named by "
        "split; found none of them"
    )
