"""Files of one split in a folder: as `save_to_disk` of Hugging Face writes it, or downloaded."""

import json
from collections.abc import Collection
from pathlib import Path

from query_adapters.errors import InvalidDatasetError

STATE, SPLITS = "state.json", "dataset_dict.json"  # files that `save_to_disk` writes
KINDS = (".parquet", ".jsonl", ".csv", ".arrow")  # of files of a split, in this order
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
    if (folder / STATE).exists():
        if split is not None:
            raise InvalidDatasetError(f"{folder}: has no splits, got split {split!r}")
        files = json.loads((folder / STATE).read_text(encoding="utf-8"))["_data_files"]
        return [folder / file["filename"] for file in files]
    if (folder / SPLITS).exists():
        names = json.loads((folder / SPLITS).read_text(encoding="utf-8"))["splits"]
        return files_of(folder / split_of(names, split, str(folder)), None)
    return _downloaded(folder, split)


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
