"""Load lexical indexes; see `query_adapters.lexical.stored_index` for the files."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_adapters.errors import LexicalIndexError, LexicalIndexWarning
from query_adapters.files.json_reading import read_json_file
from query_adapters.files.json_types import check_not_newer
from query_adapters.files.reading import STREAM_BYTES, check_file
from query_adapters.lexical.counts import TokenCounts
from query_adapters.lexical.postings import Formula, Postings
from query_adapters.lexical.stored_index import (
    ARRAYS,
    DATA,
    FORMAT_VERSION,
    RECORD,
    StoredIndex,
    checksum_of,
    stemmer_version,
)
from query_adapters.lexical.tokenizer import Tokenizer

DAMAGES = (AttributeError, LookupError, TypeError, ValueError, OverflowError, MemoryError)
CHECKED = 10_000_000  # postings that are checked on loading, in a few hundredths of a second
FILES = {"ids.json", "tokens.json", *(f"{name}.npy" for name in ARRAYS)}


def read_index(folder: Path, *, memory_map: bool) -> StoredIndex:
    """Return the index in the folder; see `LexicalIndex.load` for arguments and errors."""
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"no lexical index at {folder}; build one and save it there")
    record = read_record(folder)
    try:
        return _read(folder, record, memory_map)
    except FileNotFoundError as error:
        if (newer := read_record(folder)) != record:  # replaced while it was read
            return _read(folder, newer, memory_map)
        raise _damaged(folder, f"{error.filename} is missing") from error


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of the index.

    Raises:
        LexicalIndexError: If there is none, or it is damaged or of a newer format.
    """
    path = folder / RECORD
    try:
        record = read_json_file(path, error=ValueError, unique=True)
        written = record["format_version"]
        _check_record(record)
    except FileNotFoundError as error:
        raise _damaged(folder, f"{RECORD} is missing") from error
    except (*DAMAGES, OSError) as error:
        raise _damaged(folder, f"{RECORD}: {type(error).__name__}: {error}") from error
    check_not_newer(written, FORMAT_VERSION, path, error=LexicalIndexError)
    plain: dict[str, Any] = record
    return plain


def _check_record(record: Mapping[str, Any]) -> None:
    """Check the types of what is read before the files are."""
    version, language = record["format_version"], record["tokenizer"]["language"]
    counts = [version, record["documents"]]
    if not all(isinstance(count, int) and not isinstance(count, bool) for count in counts):
        raise TypeError(f"expected whole numbers, got {counts}")
    if version < 1 or not DATA.fullmatch(record["data"]):
        raise ValueError(f"version {version}, data folder {record['data']!r}")
    if not isinstance(language, str | None) or not isinstance(record.get("stemmer"), str | None):
        raise TypeError(f"language {language!r}, stemmer {record.get('stemmer')!r}")


def _read(folder: Path, record: Mapping[str, Any], memory_map: bool) -> StoredIndex:
    data = folder / record["data"]
    try:
        _check_files(data, record["files"], checksums=not memory_map)
        tokenizer = Tokenizer.from_record(record["tokenizer"])
        formula = Formula(**record["formula"])
        ids, tokens = (_texts(data / f"{name}.json") for name in ("ids", "tokens"))
        arrays = {name: _array(data / f"{name}.npy", memory_map) for name in ARRAYS}
        _check_shapes(arrays, len(ids), len(tokens))
        _check_postings(arrays, len(ids))
        counts = _counts(ids, tokens, arrays)
    except FileNotFoundError:
        raise
    except (*DAMAGES, OSError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error
    _warn_if_stemmer_differs(folder, record.get("stemmer"), stemmer_version(tokenizer))
    return StoredIndex(counts, arrays["weights"], tokenizer, formula)


def _counts(ids: list[str], tokens: list[str], arrays: Mapping[str, NDArray[Any]]) -> TokenCounts:
    return TokenCounts(
        ids=ids,
        lengths=arrays["lengths"],
        digests=arrays["digests"],
        vocabulary={token: row for row, token in enumerate(tokens)},
        postings=Postings(arrays["starts"], arrays["rows"], arrays["counts"]),
    )


def _check_files(data: Path, files: Mapping[str, Any], *, checksums: bool) -> None:
    if not files.keys() <= FILES:
        raise ValueError(f"expected files among {sorted(FILES)}, got {sorted(files)}")
    for name, expected in files.items():
        size = check_file(data / name, error=ValueError, limit=STREAM_BYTES)
        if size != expected["bytes"]:
            raise ValueError(f"{name}: expected {expected['bytes']} bytes, got {size}")
        if checksums and checksum_of(data / name) != expected["crc32"]:
            raise ValueError(f"{name}: its content does not match its checksum")


def _array(path: Path, memory_map: bool) -> NDArray[Any]:
    """Return the array as a plain one, which numpy adds faster than its own `memmap` class."""
    check_file(path, error=ValueError, limit=STREAM_BYTES)
    try:
        stored: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")  # checks the file's size
    except (SyntaxError, TokenError) as error:  # numpy reads the header as Python does
        raise ValueError(f"{path.name}: expected an array of numpy, got {error}") from error
    return np.asarray(stored) if memory_map else np.array(stored)


def _texts(path: Path) -> list[str]:
    found = read_json_file(path, error=ValueError, limit=STREAM_BYTES)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise TypeError(f"{path.name}: expected a list of texts")
    if len(set(found)) < len(found):
        raise ValueError(f"{path.name}: expected each text once")
    return found


def _check_shapes(arrays: Mapping[str, NDArray[Any]], n_documents: int, n_tokens: int) -> None:
    n_postings = int(arrays["starts"][-1])
    sizes = dict.fromkeys(("rows", "counts", "weights"), n_postings)
    sizes |= {"starts": n_tokens + 1, "lengths": n_documents, "digests": n_documents}
    for name, size in sizes.items():
        array, kind = arrays[name], ARRAYS[name]
        fits = array.dtype.kind == "u" if kind == "unsigned" else array.dtype == kind
        if array.shape != (size,) or not fits:
            raise ValueError(
                f"{name}: expected {size} {kind} values, got {array.shape} {array.dtype}"
            )


def _check_postings(arrays: Mapping[str, NDArray[Any]], n_documents: int) -> None:
    """Check what is looked up in the arrays, of large ones the first part."""
    starts, rows, weights = (arrays[name] for name in ("starts", "rows", "weights"))
    if starts[0] != 0 or (np.diff(starts) < 0).any():
        raise ValueError("starts: expected numbers from 0 that do not fall")
    rows, weights = rows[:CHECKED], weights[:CHECKED]
    if rows.size and not 0 <= rows.min() <= rows.max() < n_documents:
        raise ValueError(f"rows: expected numbers from 0 below {n_documents}")
    if not np.isfinite(weights).all():
        raise ValueError("weights: expected finite numbers")


def _warn_if_stemmer_differs(folder: Path, built: str | None, installed: str | None) -> None:
    if built != installed:
        warnings.warn(
            f"{folder}: built with PyStemmer {built}, but {installed} is installed, which may "
            "stem some words differently; build the index again, or install that version",
            LexicalIndexWarning,
            stacklevel=4,
        )


def _damaged(folder: Path, reason: str) -> LexicalIndexError:
    return LexicalIndexError(
        f"{folder}: expected a complete lexical index, got another ({reason}); copy the whole "
        "folder again, or build the index again and save it there"
    )
