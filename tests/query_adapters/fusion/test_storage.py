"""Tests of the learned retriever's folder: it comes back whole, or it is refused with a remedy."""

import json
import os
import shutil
import sys
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import (
    AdapterRecord,
    Attachment,
    SavedAdapter,
    load_adapter,
    read_adapter,
    save_adapter,
)
from query_adapters.errors import AdapterFileError, LexicalIndexError, MissingExtraError
from query_adapters.fusion import FusionModel, ScoringHead
from query_adapters.fusion.storage import SavedFusion, has_fusion, read_fusion, save_fusion
from query_adapters.lexical import LexicalIndex, Tokenizer

WEIGHTS = "adapter.safetensors"
IDS = [f"dök {row}" for row in range(12)]
TEXTS = [f"common word{row % 5} only{row}" for row in range(12)]
RNG = np.random.default_rng(0)
QUERIES = RNG.normal(size=(7, 4)).astype(np.float32)
VECTORS = RNG.normal(size=(12, 4)).astype(np.float32)
SAVED = SavedAdapter(
    adapter=LinearAdapter(np.eye(4) + 0.1, np.arange(4.0)),
    record=AdapterRecord(base_model="fake", probe_text="wie?", created="2026-01-31T12:00:00+00:00"),
    probe_vector=np.ones(4, dtype=np.float32),
)


def made(*, weights: Any = (0.5, 0.1, 0.2, 0.3, 0.4), saved: SavedAdapter = SAVED) -> SavedFusion:
    head = ScoringHead(weights)
    model = FusionModel(
        adapter=saved.adapter,
        head=head,
        queries=QUERIES,
        answers=tuple(tuple(IDS[row : row + 1 + row % 3]) for row in range(7)),
        lexical=LexicalIndex.build([(IDS, TEXTS)], tokenizer=Tokenizer())
        if head.needs_text
        else None,
        similarity="dot",
        depth=9,
    )
    return SavedFusion(model=model, saved=saved)


def scores_of(model: FusionModel) -> list[tuple[str, float, dict[str, float]]]:
    """Return ids, scores and parts of all documents for a question."""
    query = model.prepared("common word3", QUERIES[2] + 0.1)
    found = model.ranked(query, IDS, VECTORS, texts_of=lambda ids: [""] * len(ids))
    return [(row.id, row.score, dict(row.parts)) for row in found]


def header_of(folder: Path) -> dict[str, str]:
    with safe_open(folder / WEIGHTS, framework="numpy") as file:
        header: dict[str, str] = file.metadata()
        return header


def read_fusion_quietly(folder: Path) -> FusionModel:
    """Read a retriever whose readable copy may be the old one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*differs from the record in")
        return read_fusion(folder).model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a learned retriever, which no test changes."""
    return save_fusion(made(), tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder."""
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("memory_map", [True, False])
def test_everything_comes_back(memory_map: bool, whole: Path) -> None:
    expected, read = made(), read_fusion(whole, memory_map=memory_map)
    assert read.model.head.weights.tolist() == expected.model.head.weights.tolist()
    assert read.model.queries.tobytes() == QUERIES.tobytes()
    assert read.model.answers == expected.model.answers
    assert (read.model.similarity, read.model.depth) == ("dot", 9)
    assert read.model.adapter.fingerprint == SAVED.adapter.fingerprint
    assert read.saved.record == SAVED.record
    assert read.saved.probe_vector is not None
    assert read.saved.probe_vector.tolist() == [1, 1, 1, 1]
    assert scores_of(read.model) == scores_of(expected.model)


def test_a_folder_can_be_copied_and_loaded_elsewhere(folder: Path, whole: Path) -> None:
    assert scores_of(read_fusion(folder).model) == scores_of(read_fusion(whole).model)


def test_what_was_read_can_be_saved_again(whole: Path, tmp_path: Path) -> None:
    again = read_fusion(save_fusion(read_fusion(whole), tmp_path))
    assert scores_of(again.model) == scores_of(made().model)
    assert again.saved.record == SAVED.record


def test_without_lexical_weight_there_is_no_lexical_folder(tmp_path: Path) -> None:
    read = read_fusion(save_fusion(made(weights=(0, 1, 1, 1, 1)), tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md", "adapter.json", WEIGHTS
    ]  # fmt: skip
    assert read.model.lexical is None
    assert scores_of(read.model) == scores_of(made(weights=(0, 1, 1, 1, 1)).model)


def test_the_adapter_in_the_folder_serves_alone_as_before(whole: Path, tmp_path: Path) -> None:
    plain = save_adapter(SAVED, tmp_path)
    assert load_adapter(whole).fingerprint == load_adapter(plain).fingerprint
    alone, beside = read_adapter(plain), read_adapter(whole)
    np.testing.assert_array_equal(beside.adapter(QUERIES), alone.adapter(QUERIES))
    assert beside.record == alone.record
    assert beside.probe_vector is not None
    assert alone.probe_vector is not None
    assert beside.probe_vector.tolist() == alone.probe_vector.tolist()
    assert has_fusion(beside)
    assert not has_fusion(alone)


def test_a_folder_without_attachments_is_one_that_older_releases_read(
    whole: Path, tmp_path: Path
) -> None:
    header = header_of(save_adapter(SAVED, tmp_path))
    assert set(header) == {"record", "sha256"}
    assert json.loads(header["record"])["format_version"] == 2
    assert json.loads(header_of(whole)["record"])["format_version"] == 3
    assert json.loads((whole / "adapter.json").read_text(encoding="utf-8"))["format_version"] == 3


def test_an_adapter_without_a_head_is_refused_with_the_remedy(tmp_path: Path) -> None:
    save_adapter(SAVED, tmp_path)
    remedy = "got one without; train it with hybrid=True, or serve the adapter alone"
    with pytest.raises(AdapterFileError, match=remedy):
        read_fusion(tmp_path)


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no adapter folder"):
        read_fusion(tmp_path / "none")


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=25, deadline=None)
def test_a_file_cut_short_anywhere_is_refused(
    share: float, whole: Path, tmp_path_factory: Any
) -> None:
    content = (whole / WEIGHTS).read_bytes()
    cut = tmp_path_factory.mktemp("cut")
    (cut / WEIGHTS).write_bytes(content[: int(share * len(content))])
    with pytest.raises(AdapterFileError):
        read_fusion(cut)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'\\"lexical\\": 0.5', b'\\"lexical\\": 0.9'),
        (b'\\"depth\\": 9', b'\\"depth\\": 8'),
        (b"dot", b"dut"),
        (b"fusion/queries", b"fusion/querios"),
        (b"fusion/queries", b"fushon/queries"),
        (QUERIES.tobytes()[:16], QUERIES.tobytes()[16:32]),
    ],
)
def test_an_altered_head_is_refused(old: bytes, new: bytes, folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    assert content.count(old) == 1
    (folder / WEIGHTS).write_bytes(content.replace(old, new))
    with pytest.raises(AdapterFileError, match="truncated, altered or not an adapter"):
        read_fusion(folder)


def with_head(folder: Path, **changes: Any) -> Path:
    """Save the folder's adapter with another record of its head; None takes an entry away."""
    saved = read_adapter(folder)
    record = {**saved.attachments["fusion"].record, **changes}
    kept = {key: value for key, value in record.items() if value is not None}
    head = replace(saved.attachments["fusion"], record=kept)
    return save_adapter(replace(saved, attachments={"fusion": head}), folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": None},
        {"answers": None},
        {"similarity": None},
        {"depth": None},
        {"weights": {"lexical": -1.0}},
        {"weights": {"lexical": float("nan")}},
        {"weights": {"lexical": "much"}},
        {"weights": {"lexical": 1.0, "fashion": 1.0}},
        {"weights": [1, 2, 3, 4, 5]},
        {"answers": 7},
        {"answers": [["dök 1"]]},
        {"similarity": "manhattan"},
        {"depth": 0},
        {"depth": "deep"},
        {"depth": 10**400},
    ],
)
def test_an_incomplete_head_is_refused_with_the_way_out(
    changes: dict[str, Any], folder: Path
) -> None:
    with_head(folder, **changes)
    with pytest.raises(AdapterFileError, match=r"the scoring head is incomplete \(.*; train again"):
        read_fusion(folder)
    assert load_adapter(folder).fingerprint == SAVED.adapter.fingerprint


def test_a_head_without_the_training_questions_is_refused(folder: Path) -> None:
    saved = read_adapter(folder)
    bare = replace(saved.attachments["fusion"], tensors={})
    save_adapter(replace(saved, attachments={"fusion": bare}), folder)
    with pytest.raises(AdapterFileError, match=r"incomplete \(KeyError: 'queries'\); train again"):
        read_fusion(folder)


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_missing_lexical_index_is_named_and_the_adapter_still_serves(
    is_empty: bool, folder: Path
) -> None:
    shutil.rmtree(folder / "lexical")
    if is_empty:
        (folder / "lexical").mkdir()
    with pytest.raises((LexicalIndexError, FileNotFoundError), match="lexical"):
        read_fusion(folder)
    assert load_adapter(folder).fingerprint == SAVED.adapter.fingerprint


def test_a_lexical_index_with_a_file_cut_short_is_refused(folder: Path) -> None:
    largest = max((folder / "lexical").rglob("*.npy"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-8])
    with pytest.raises(LexicalIndexError):
        read_fusion(folder)


def test_reading_exact_words_needs_the_extra_and_nothing_else_does(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = save_fusion(made(weights=(0, 1, 0, 0, 0)), tmp_path / "plain")
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(MissingExtraError, match=r"pip install '.*\[hybrid\]'"):
        read_fusion(folder)
    assert read_fusion(plain).model.head.has_votes


def test_a_newer_format_is_refused_with_the_way_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as future:
        future.setattr("query_adapters.adapters.storage.FORMAT_VERSION", 4)
        save_fusion(made(), folder)
    with pytest.raises(AdapterFileError, match="format version 4 is newer than 3; upgrade"):
        read_fusion(folder)
    with pytest.raises(AdapterFileError, match="format version 4 is newer than 3; upgrade"):
        load_adapter(folder)


def test_a_release_that_knows_no_attachments_refuses_the_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query_adapters.adapters.storage.FORMAT_VERSION", 2)
    with pytest.raises(AdapterFileError, match="format version 3 is newer than 2; upgrade"):
        load_adapter(folder)


def test_attachments_of_another_name_survive_a_save(tmp_path: Path) -> None:
    other = Attachment(
        record={"by": "someone else", "shares": [0.5, 1]},
        tensors={
            "a": np.arange(6, dtype=np.int64).reshape(2, 3),
            "b/c": np.array([1.5], dtype=np.float32),
        },
    )
    save_fusion(made(saved=replace(SAVED, attachments={"other": other})), tmp_path)
    read = read_fusion(tmp_path)
    kept = read.saved.attachments["other"]
    assert kept.record == other.record
    assert {key: tensor.tolist() for key, tensor in kept.tensors.items()} == {
        "a": [[0, 1, 2], [3, 4, 5]], "b/c": [1.5]
    }  # fmt: skip
    assert set(read.saved.attachments) == {"other", "fusion"}
    assert scores_of(read.model) == scores_of(made().model)


def test_saving_an_adapter_that_was_read_keeps_its_head(folder: Path) -> None:
    save_adapter(read_adapter(folder), folder)
    assert scores_of(read_fusion(folder).model) == scores_of(made().model)


def test_saving_another_adapter_in_the_folder_takes_the_head_away(folder: Path) -> None:
    save_adapter(LinearAdapter.identity(4), folder)
    assert load_adapter(folder).is_identity
    with pytest.raises(AdapterFileError, match="got one without"):
        read_fusion(folder)


@pytest.mark.parametrize("n_written", range(13))  # the last one is complete
def test_a_save_that_fails_leaves_the_old_retriever_or_the_new_one(
    n_written: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, sync = [], os.fsync

    def full_disk(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > n_written:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    changed = made(weights=(0.9, 0, 0, 0, 0))
    with monkeypatch.context() as breaking:
        breaking.setattr("os.fsync", full_disk)
        with suppress(OSError):
            save_fusion(changed, folder)
    model = read_fusion_quietly(folder)
    assert scores_of(model) in (scores_of(made().model), scores_of(changed.model))
    if len(written) <= n_written:
        assert scores_of(model) == scores_of(changed.model)
    if n_written == 0:
        assert scores_of(model) == scores_of(made().model)


def test_a_retriever_whose_exact_words_lost_their_weight_is_read_without_them(folder: Path) -> None:
    save_fusion(made(weights=(0, 0, 0.5, 0, 0)), folder)
    read = read_fusion(folder).model
    assert read.lexical is None
    assert scores_of(read) == scores_of(made(weights=(0, 0, 0.5, 0, 0)).model)


def test_the_adapters_records_stay_apart_from_the_head(whole: Path) -> None:
    description = json.loads((whole / "adapter.json").read_text(encoding="utf-8"))
    assert "fusion" not in description
    assert set(json.loads(header_of(whole)["attachments"])) == {"fusion"}
