"""Tests of the file of learned weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from query_adapters.errors import AdapterFileError
from query_adapters.fusion.retrievers import (
    RetrieverWeights,
    Scale,
    read_weights,
    save_weights,
)
from query_adapters.fusion.retrievers.storage import WEIGHTS_FILE, read_weights_for

WEIGHTS = RetrieverWeights(
    names=("int", "größe"), weights=(1.0, 0.1 + 0.2), scales=(Scale("score", 3.5), Scale("rank", 1))
)


def test_weights_are_read_as_they_were_saved(tmp_path: Path) -> None:
    folder = save_weights(WEIGHTS, tmp_path / "new" / "folder", record={"verdict": "Use it."})
    assert read_weights(folder) == WEIGHTS
    assert json.loads((folder / WEIGHTS_FILE).read_text("utf-8"))["verdict"] == "Use it."


def test_weights_of_other_retrievers_are_refused(tmp_path: Path) -> None:
    save_weights(WEIGHTS, tmp_path)
    assert read_weights_for([1, 2], tmp_path, names=["int", "größe"]) == WEIGHTS
    for retrievers, names in (([1, 2], None), ([1, 2], ["größe", "int"]), ([1, 2, 3], None)):
        with pytest.raises(AdapterFileError, match=r"learned for the retrievers 'int', 'größe',"):
            read_weights_for(retrievers, tmp_path, names=names)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected retriever_weights.json, got none"):
        read_weights(tmp_path)


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "weight": 1.0, "by": "score", "span": 1.0, **changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON"),
        ("[]", "TypeError"),
        (json.dumps({"format": 1}), "KeyError: 'retrievers'"),
        (json.dumps({"format": 1, "retrievers": []}), "InvalidVectorsError"),
        (json.dumps({"format": 1, "retrievers": [entry(weight=None)]}), "TypeError"),
        (json.dumps({"format": 1, "retrievers": [entry(), entry(weight=-1)]}), "train again"),
        (json.dumps({"format": 1, "retrievers": [entry(span=float("nan"))]}), "train again"),
        (json.dumps({"format": 2, "retrievers": [entry()]}), "expected format 1, got 2; update"),
    ],
)
def test_an_altered_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / WEIGHTS_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(AdapterFileError, match=message):
        read_weights(tmp_path)
