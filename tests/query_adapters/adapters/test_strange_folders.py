"""Test that adapter folders from strangers load as they should be or are refused at once."""

import json
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.adapters.storage import (
    AdapterRecord,
    Attachment,
    SavedAdapter,
    load_adapter,
    read_adapter,
    save_adapter,
)
from query_adapters.adapters.weights_file import digest
from query_adapters.errors import AdapterFileError, AdapterFileWarning
from query_adapters.fusion import FusionModel, ScoringHead
from query_adapters.fusion.retrievers.storage import read_weights
from query_adapters.fusion.storage import SavedFusion, read_fusion, read_without_words, save_fusion
from query_adapters.lexical import LexicalIndex
from tests.faults import SPECIAL, at_once, put

EYE = np.eye(3, dtype=np.float32)
TENSORS = {
    "weight": EYE,
    "landmarks": EYE,
    "values": EYE,
    "sharpness": np.array([5.0], dtype=np.float32),
    "probe": np.ones(3, dtype=np.float32),
}
RECORD = {"base_model": "m", "probe_text": "hi?", "training": {"verdict": "kept"}, "created": "now"}
DESCRIPTION = {
    "format_version": 2, "kind": "kernel", "dim_in": 3, "dim_out": 3, "fingerprint": "0",
    "record": RECORD,
}  # fmt: skip
DEEP = "[" * 100_000 + "]" * 100_000


def write(folder: Path, tensors: dict[str, Any], record: str, attached: str | None = None) -> Path:
    """Write a folder whose checksum is right, as a stranger may do."""
    folder.mkdir(parents=True, exist_ok=True)
    header = {"record": record, "sha256": digest(record + (attached or ""), tensors)}
    header |= {} if attached is None else {"attachments": attached}
    save_file(tensors, folder / "adapter.safetensors", metadata=header)
    (folder / "adapter.json").write_text(record, encoding="utf-8")
    return folder


def refused(folder: Path, match: str = r"adapter\.safetensors") -> None:
    with at_once(), pytest.raises(AdapterFileError, match=match):
        read_adapter(folder)


def test_the_folder_that_the_others_differ_from_loads(tmp_path: Path) -> None:
    saved = read_adapter(write(tmp_path, TENSORS, json.dumps(DESCRIPTION)))
    assert isinstance(saved.adapter, KernelAdapter)
    assert saved.record == AdapterRecord(**RECORD)  # type: ignore[arg-type]


ODD_TENSORS: dict[str, dict[str, Any]] = {
    "an extra one": {"extra": EYE},
    "a bias": {"bias": np.ones((3, 1), dtype=np.float32)},
    "double precision": {"weight": np.eye(3)},
    "half precision": {"weight": np.eye(3, dtype=np.float16)},
    "whole numbers": {"weight": np.eye(3, dtype=np.int32)},
    "truth values": {"weight": np.eye(3, dtype=bool)},
    "NaN": {"values": np.full((3, 3), np.nan, dtype=np.float32)},
    "infinite": {"weight": np.full((3, 3), np.inf, dtype=np.float32)},
    "no rows": {"landmarks": np.empty((0, 3), dtype=np.float32)},
    "no axis": {"weight": np.array(1.0, dtype=np.float32)},
    "three axes": {"weight": np.ones((3, 3, 1), dtype=np.float32)},
    "empty sharpness": {"sharpness": np.empty(0, dtype=np.float32)},
    "sharpness without an axis": {"sharpness": np.array(5.0, dtype=np.float32)},
    "two sharpnesses": {"sharpness": np.array([5.0, 5.0], dtype=np.float32)},
    "sharpness NaN": {"sharpness": np.array([np.nan], dtype=np.float32)},
    "sharpness 0": {"sharpness": np.zeros(1, dtype=np.float32)},
    "wide probe": {"probe": np.ones(4, dtype=np.float32)},
    "probe of two rows": {"probe": np.ones((2, 3), dtype=np.float32)},
    "probe NaN": {"probe": np.full(3, np.nan, dtype=np.float32)},
    "probe in double precision": {"probe": np.ones(3)},
    "attached to nothing": {"fusion/queries": EYE},
}


@pytest.mark.parametrize("odd", ODD_TENSORS.values(), ids=ODD_TENSORS)
def test_odd_arrays_are_refused(odd: dict[str, Any], tmp_path: Path) -> None:
    refused(write(tmp_path, TENSORS | odd, json.dumps(DESCRIPTION)))


@pytest.mark.parametrize("name", sorted(TENSORS.keys() - {"probe"}))
def test_a_missing_array_is_refused(name: str, tmp_path: Path) -> None:
    rest = {key: tensor for key, tensor in TENSORS.items() if key != name}
    refused(write(tmp_path, rest, json.dumps(DESCRIPTION)))


TYPES = {
    "base_model": str | None, "probe_text": str | None, "created": str, "training": dict,
    "record": dict,
}  # fmt: skip


def described(name: str, value: Any) -> dict[str, Any]:
    """Return a description with another value of one of its fields."""
    if name in RECORD:
        return {**DESCRIPTION, "record": {**RECORD, name: value}}
    return {**DESCRIPTION, name: value}


VALUES: tuple[Any, ...] = (
    None,
    True,
    7,
    -1,
    0,
    0.5,
    float("nan"),
    float("inf"),
    "x",
    "",
    [],
    ["a"],
    {},
    {"a": 1},
)
NUMBER = "9" * 5_000
RETRIEVER = {"name": "a", "weight": 1, "by": "score", "span": 1}


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("name", ["format_version", "kind", "record", *RECORD])
def test_a_field_of_another_type_is_refused_or_kept_as_it_is(
    name: str, value: Any, tmp_path: Path
) -> None:
    fits = isinstance(value, TYPES.get(name, ())) and (name, value) != ("record", {"a": 1})
    folder = write(tmp_path, TENSORS, json.dumps(described(name, value)))
    if fits:
        record = read_adapter(folder).record
        assert getattr(record, name, None) == (None if name == "record" else value)
    else:
        refused(folder)


@pytest.mark.parametrize(
    "record",
    [
        DEEP, "", "null", "[]", '"x"', "{", "{}", "\x00", NUMBER,
        '{"format_version": ' + NUMBER + "}",
        json.dumps(DESCRIPTION).replace('"kind"', '"kind": "linear", "kind"'),
        json.dumps(described("training", json.loads("[" * 300 + "]" * 300))),
        json.dumps({**DESCRIPTION, "record": {**RECORD, "unknown": 1}}),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_record_that_is_none_is_refused(record: str, tmp_path: Path) -> None:
    refused(write(tmp_path, TENSORS, record))


@pytest.mark.parametrize(
    "attached", [DEEP, "[]", "7", '{"a/b": 1}', '{"fusion": null, "fusion": 1}']
)
def test_attachments_that_are_none_are_refused_or_load(attached: str, tmp_path: Path) -> None:
    folder = write(tmp_path, TENSORS, json.dumps(DESCRIPTION), attached)
    if attached == '{"a/b": 1}':
        assert set(read_adapter(folder).attachments) == {"a/b"}
    else:
        refused(folder)


def raw(header: dict[str, Any], size: int = 0, length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(size)


def tensor(dtype: str, shape: list[int], size: int) -> bytes:
    meta = {"record": "{}", "sha256": "0"}
    return raw(
        {
            "__metadata__": meta,
            "weight": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]},
        },
        size,
    )


RAW = {
    "empty": b"",
    "short": b"\x08",
    "zeros": bytes(1000),
    "length of 2^63": raw({}, length=1 << 63),
    "length beyond the end": raw({}, length=1000),
    "length 0": raw({}, length=0),
    "deep header": struct.pack("<Q", len(DEEP)) + DEEP.encode(),
    "offsets beyond the end": raw({"w": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}),
    "negative shape": raw({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, 4),
    "overflowing shape": raw(
        {"w": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 4]}}, 4
    ),
    "pickle": b"\x80\x04\x95" + bytes(100),
    **{
        f"dtype {dtype}": tensor(dtype, [4], 4 * size)
        for dtype, size in (
            ("F8_E4M3", 1), ("F8_E5M2", 1), ("BF16", 2), ("I8", 1), ("BOOL", 1), ("U64", 8),
            ("F8_E8M0", 1), ("C64", 8), ("F4", 1), ("X9", 1),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
def test_a_weights_file_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "adapter.safetensors").write_bytes(content)
    refused(tmp_path)


@given(position=st.integers(0, 10_000), value=st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_an_altered_byte_never_passes(
    position: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("altered")
    write(folder, TENSORS, json.dumps(DESCRIPTION))
    path = folder / "adapter.safetensors"
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= value
    path.write_bytes(content)
    with pytest.raises(AdapterFileError):
        read_adapter(folder)


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_weights_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    put(kind, save_adapter(LinearAdapter.identity(2), tmp_path) / "adapter.safetensors")
    refused(tmp_path)


@pytest.mark.parametrize("name", ["adapter.json", "README.md"])
@pytest.mark.parametrize("kind", SPECIAL)
def test_an_adapter_with_odd_files_beside_it_loads_and_warns(
    kind: str, name: str, tmp_path: Path
) -> None:
    put(kind, save_adapter(LinearAdapter.identity(2), tmp_path) / name)
    with at_once(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert load_adapter(tmp_path).dim_in == 2
    assert [one.category for one in caught] == [AdapterFileWarning] * (name == "adapter.json")


@pytest.mark.parametrize("content", [DEEP, "NaN", NUMBER, "", "\x00"], ids=range(5))
def test_a_copy_of_the_record_that_is_no_json_differs(content: str, tmp_path: Path) -> None:
    save_adapter(LinearAdapter.identity(2), tmp_path)
    (tmp_path / "adapter.json").write_text(content, encoding="utf-8")
    with pytest.warns(AdapterFileWarning, match="save the adapter again"):
        load_adapter(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "dangling link", "sparse file"])
def test_a_card_that_is_no_file_is_left_alone_by_a_save(kind: str, tmp_path: Path) -> None:
    card = put(kind, tmp_path / "README.md")
    before = card.lstat()
    with at_once():
        save_adapter(LinearAdapter.identity(2), tmp_path)
    assert (card.lstat().st_mode, card.lstat().st_ino) == (before.st_mode, before.st_ino)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("name", ["config.json", "pytorch_model.bin"])
def test_an_old_folder_with_odd_files_is_refused_at_once(
    kind: str, name: str, tmp_path: Path
) -> None:
    config = {"in_features": 2, "out_features": 2, "bias": False}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    put(kind, tmp_path / name)
    refused(tmp_path, match="config|pytorch")


class TestFusion:
    """Test attachments of a learned retriever."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        model = FusionModel(
            adapter=LinearAdapter.identity(3),
            head=ScoringHead({}),
            queries=EYE,
            answers=(("a",), ("b",), ("a", "c")),
            lexical=None,
            similarity="cosine",
        )
        saved = SavedAdapter(adapter=model.adapter)
        return save_fusion(SavedFusion(model=model, saved=saved), tmp_path)

    def test_it_loads(self, folder: Path) -> None:
        assert read_without_words(folder).model.answers[2] == ("a", "c")

    @pytest.mark.parametrize(
        "change",
        [
            *({"depth": value} for value in VALUES if value != 7),
            *({"similarity": value} for value in VALUES),
            *({"answers": value} for value in VALUES),
            {"answers": ["a", "b", "c"]},
            {"answers": [[1], [2], [3]]},
            {"answers": [["a"], ["b"], None]},
            *({"weights": value} for value in VALUES if value != {}),
            *({"units": value} for value in VALUES if value != []),
            {"units": [["a", 1], ["b"], ["c"]]},
            {"units": [{"a": 1}, ["b"], ["c"]]},
            {"weights": {"lexical": True}},
            {"weights": {"lexical": float("nan")}},
            {"weights": {"lexical": "1"}},
            {"weights": {"lexical": -1}},
            {"weights": {"lexical": 10**400}},
        ],
        ids=repr,
    )
    def test_odd_fields_are_refused(self, folder: Path, change: dict[str, Any]) -> None:
        self.refused(
            folder, lambda one: Attachment(record={**one.record, **change}, tensors=one.tensors)
        )

    @pytest.mark.parametrize(
        "tensors",
        [
            {},
            {"queries": EYE, "more": EYE},
            {"queries": EYE.astype(np.float64)},
            {"queries": EYE[:, :2]},
            {"queries": EYE[:2]},
            {"queries": np.full((3, 3), np.nan, dtype=np.float32)},
        ],
    )
    def test_odd_vectors_are_refused(self, folder: Path, tensors: dict[str, Any]) -> None:
        self.refused(folder, lambda one: Attachment(record=one.record, tensors=tensors))

    def refused(self, folder: Path, change: Callable[[Attachment], Attachment]) -> None:
        saved = read_adapter(folder)
        changed = {"fusion": change(saved.attachments["fusion"])}
        save_adapter(SavedAdapter(adapter=saved.adapter, attachments=changed), folder)
        with pytest.raises(AdapterFileError, match="the scoring head is incomplete"):
            read_without_words(folder)


@pytest.mark.parametrize("kind", SPECIAL)
def test_weights_of_retrievers_that_are_no_file_are_refused_at_once(
    kind: str, tmp_path: Path
) -> None:
    put(kind, tmp_path / "retriever_weights.json")
    with at_once(), pytest.raises(AdapterFileError, match=r"retriever_weights\.json"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        DEEP, "", "[]", "{}", "NaN", NUMBER,
        *(json.dumps({"format": value, "retrievers": []}) for value in VALUES),
        *(json.dumps({"format": 1, "retrievers": value}) for value in VALUES),
        '{"format": 1, "retrievers": [{"name": "a", "weight": NaN, "by": "score", "span": 1}]}',
        '{"format": 1, "retrievers": [{"name": "a", "weight": 1, "by": ["score"], "span": 1}]}',
        *(
            json.dumps({"format": 1, "retrievers": [{**RETRIEVER, name: value}]})
            for name in RETRIEVER for value in VALUES if value not in (1, "x", "", 7, 0.5)
        ),
        '{"format": 1, "retrievers": [{"name": "a", "weight": 1, "by": "score", "span": 1%s}]}'
        % ("0" * 400),
    ],
)  # fmt: skip
def test_weights_of_retrievers_that_are_none_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "retriever_weights.json").write_text(content, encoding="utf-8")
    with pytest.raises(AdapterFileError, match=r"retriever_weights\.json"):
        read_weights(tmp_path)


@pytest.mark.parametrize("read", [read_adapter, read_fusion, read_weights, LexicalIndex.load])
def test_a_loop_of_links_in_place_of_a_folder_is_no_folder(read: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(put("link loop", tmp_path / "folder"))


@pytest.mark.parametrize("name", ["a" * 300, "\x00", "\ud800"])
@pytest.mark.parametrize("read", [load_adapter, read_adapter, LexicalIndex.load])
def test_a_text_that_is_no_name_of_a_folder_names_none(
    name: str, read: Callable[[str], object]
) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected|build one"):
        read(name)
