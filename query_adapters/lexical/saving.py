"""Save lexical indexes; see `query_adapters.lexical.stored_index` for the files."""

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from query_adapters.errors import LexicalIndexError
from query_adapters.files.atomic import replace_file
from query_adapters.lexical.loading import read_record
from query_adapters.lexical.stored_index import (
    DATA,
    FORMAT_VERSION,
    RECORD,
    StoredIndex,
    checksum_of,
    stemmer_version,
)

ABANDONED = 24 * 3600  # seconds; a younger data folder may belong to a save that is running


def write_index(index: StoredIndex, folder: Path) -> Path:
    """Write the index durably, then delete the one that it replaces, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    previous = _previous(folder)
    data = folder / f"data-{uuid4().hex}"
    data.mkdir()
    try:
        _write_data(index, data)
        record = json.dumps(_describe(index, data), indent=2) + "\n"
        replace_file(folder / RECORD, [record.encode()])
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise
    _delete_old(folder, current=data, previous=previous)
    return folder


def _write_data(index: StoredIndex, data: Path) -> None:
    texts = {"ids": index.counts.ids, "tokens": index.counts.vocabulary}
    for name, values in texts.items():
        replace_file(data / f"{name}.json", [json.dumps(list(values)).encode()])
    for name, array in index.arrays.items():
        with (data / f"{name}.npy").open("xb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())


def _describe(index: StoredIndex, data: Path) -> dict[str, Any]:
    files = {path.name: _measured(path) for path in sorted(data.iterdir())}
    return {
        "format_version": FORMAT_VERSION,
        "documents": len(index.counts.ids),
        "tokens": len(index.counts.vocabulary),
        "method": "lucene",
        "formula": asdict(index.formula),
        "tokenizer": index.tokenizer.to_record(),
        "stemmer": stemmer_version(index.tokenizer),
        "data": data.name,
        "files": files,
    }


def _measured(path: Path) -> dict[str, int]:
    return {"bytes": path.stat().st_size, "crc32": checksum_of(path)}


def _delete_old(folder: Path, *, current: Path, previous: str | None) -> None:
    """Delete the replaced data, and data that an interrupted save left long ago."""
    for path in folder.iterdir():
        if DATA.fullmatch(path.name) and path != current:
            with suppress(OSError):  # a file may be in use on Windows, or gone
                if path.name == previous or time.time() - path.stat().st_mtime > ABANDONED:
                    shutil.rmtree(path)


def _previous(folder: Path) -> str | None:
    """Return the name of the data folder that is to be replaced, None if there is none."""
    try:
        return str(read_record(folder)["data"])
    except LexicalIndexError:  # none yet, or one that cannot be read
        return None
