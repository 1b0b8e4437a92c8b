"""Tests of storage: saves are atomic, invalid folders are rejected, and no code is executed."""

import json
import pickle
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import load_file, save_file

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.legacy import read_old_adapter
from query_adapters.adapters.storage import (
    AdapterRecord,
    SavedAdapter,
    load_adapter,
    read_adapter,
    save_adapter,
)
from query_adapters.errors import AdapterFileError

WEIGHTS = "adapter.safetensors"
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
OLD = LinearAdapter(np.arange(6.0).reshape(2, 3), [1.0, 2.0])
RECORD = AdapterRecord(
    base_model="fake",
    probe_text="wie weit, Jürgen?",
    training={"verdict": "kept", "table": [{"gain": 0.25}]},
    created="2026-01-31T12:00:00+00:00",
)
PROBE = np.array([0.5, -0.0, 1e-30], dtype=np.float32)
SAVED = SavedAdapter(adapter=OLD, record=RECORD, probe_vector=PROBE)
# A forked child kills itself at the k-th line that storage.py or atomic.py runs during a save.
KILLED_AT_EVERY_LINE = """
import os, shutil, signal
import numpy as np
from itertools import count
from pathlib import Path
from query_adapters.files import atomic
from query_adapters.adapters import LinearAdapter, storage

def save_and_die_at(line, folder):
    left = [line]
    def trace(frame, event, arg):
        if frame.f_code.co_filename not in (storage.__file__, atomic.__file__):
            return None
        if event == "line":
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    storage.save_adapter(LinearAdapter(np.eye(3)), folder)
    os._exit(0)

before, results = Path(sys.argv[1]), Path(sys.argv[2])
for line in count(1):
    folder = results / str(line)
    if before.exists():
        shutil.copytree(before, folder)
    child = os.fork()
    if not child:
        save_and_die_at(line, folder)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
print(line)
"""


class Harmful:
    """An object whose unpickling creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def load_whatever_the_copy_says(folder: Path) -> LinearAdapter:
    """Load an adapter without the warning that a readable copy differs from the record."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*differs from the record in", category=UserWarning
        )
        adapter = load_adapter(folder)
    assert isinstance(adapter, LinearAdapter)
    return adapter


def content_of(saved: SavedAdapter) -> tuple[Any, ...]:
    """Return everything that was saved, for a bitwise comparison."""
    tensors = {
        name: (tensor.dtype.str, tensor.shape, tensor.tobytes())
        for name, tensor in saved.adapter.tensors().items()
    }
    probe = None if saved.probe_vector is None else saved.probe_vector.tobytes()
    return saved.adapter.kind, tensors, saved.record, probe


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a saved weights file."""
    return (save_adapter(SAVED, tmp_path_factory.mktemp("whole")) / WEIGHTS).read_bytes()


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Path]:
    """Return a function that writes bytes to the weights file of an adapter folder."""
    folder = save_adapter(SAVED, tmp_path_factory.mktemp("altered"))

    def put(content: bytes) -> Path:
        (folder / WEIGHTS).write_bytes(content)
        return folder

    return put


@pytest.fixture
def old_folder(tmp_path: Path) -> Path:
    """Return a linear adapter folder in the format of `llama-index-embeddings-adapter`."""
    torch = pytest.importorskip("torch")
    state = {"linear.weight": torch.tensor(OLD.weight), "linear.bias": torch.tensor(OLD.bias)}
    torch.save(state, tmp_path / "pytorch_model.bin")
    config = {"in_features": 3, "out_features": 2, "bias": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


@given(data=st.data(), shape=array_shapes(min_dims=2, max_dims=2, max_side=6))
@settings(max_examples=40, deadline=None)
def test_an_adapter_comes_back_to_the_bit(
    data: st.DataObject, shape: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    weight = data.draw(arrays(np.float32, shape, elements=FINITE))
    bias = data.draw(st.none() | arrays(np.float32, shape[0], elements=FINITE))
    probe = data.draw(st.none() | arrays(np.float32, shape[1], elements=FINITE))
    saved = SavedAdapter(adapter=LinearAdapter(weight, bias), record=RECORD, probe_vector=probe)
    folder = tmp_path_factory.mktemp("saved") / "new"
    assert save_adapter(saved, folder) == folder
    assert content_of(read_adapter(folder)) == content_of(saved)


def test_a_bare_adapter_is_saved_with_the_moment_and_an_empty_record(tmp_path: Path) -> None:
    record = read_adapter(save_adapter(OLD, str(tmp_path))).record
    assert (record.base_model, record.probe_text, record.training) == (None, None, {})
    assert record.created.endswith("+00:00")
    assert load_adapter(str(tmp_path)).fingerprint == OLD.fingerprint


def test_a_record_with_numbers_that_equal_nothing_does_not_look_edited(tmp_path: Path) -> None:
    record = AdapterRecord(training={"low": float("nan"), "high": float("inf")})
    folder = save_adapter(SavedAdapter(adapter=OLD, record=record), tmp_path)
    assert np.isnan(read_adapter(folder).record.training["low"])


def test_the_readable_copies_hold_what_was_saved(tmp_path: Path) -> None:
    save_adapter(SAVED, tmp_path)
    copy = json.loads((tmp_path / "adapter.json").read_text(encoding="utf-8"))
    assert copy["fingerprint"] == OLD.fingerprint
    assert (copy["kind"], copy["dim_in"], copy["dim_out"]) == ("linear", 3, 2)
    assert copy["record"]["probe_text"] == "wie weit, Jürgen?"
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n")
    assert all(part in card for part in ("fake", "(3 → 2)", OLD.fingerprint, "\n**kept**\n"))


def test_the_card_lists_the_lines_of_the_verdict(tmp_path: Path) -> None:
    record = AdapterRecord(training={"verdict": "Use the adapter.\nConfidence: p = 0.01."})
    save_adapter(SavedAdapter(adapter=OLD, record=record), tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "\n**Use the adapter.**\n\n- Confidence: p = 0.01.\n" in card


def test_a_save_leaves_nothing_but_its_three_files_and_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "embeddings.sqlite").write_bytes(b"paid for")
    (tmp_path / "notes").mkdir()
    for adapter in (OLD, LinearAdapter.identity(3)):
        save_adapter(adapter, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["README.md", "adapter.json", WEIGHTS, "embeddings.sqlite", "notes"]
    assert (tmp_path / "embeddings.sqlite").read_bytes() == b"paid for"
    assert load_adapter(tmp_path).is_identity


def test_our_card_is_renewed_and_no_other_readme_is_touched(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "README.md").write_bytes(b"# My notes \xff\n")
    for folder in (ours, theirs):
        save_adapter(OLD, folder)
        save_adapter(LinearAdapter.identity(3), folder)
    assert LinearAdapter.identity(3).fingerprint in (ours / "README.md").read_text(encoding="utf-8")
    assert (theirs / "README.md").read_bytes() == b"# My notes \xff\n"


@pytest.mark.slow
def test_a_save_killed_at_any_line_leaves_the_old_adapter_or_the_new_one_whole(
    run_python: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    before, results = save_adapter(SAVED, tmp_path / "before"), tmp_path / "results"
    ran = run_python(KILLED_AT_EVERY_LINE, before, results)
    assert ran.returncode == 0, ran.stderr
    new = LinearAdapter.identity(3).fingerprint
    found = [
        load_whatever_the_copy_says(results / str(line)).fingerprint
        for line in range(1, int(ran.stdout) + 1)
    ]
    switched = found.index(new)
    assert 10 < switched < len(found) - 10
    assert found == [OLD.fingerprint] * switched + [new] * (len(found) - switched)


@pytest.mark.slow
def test_a_first_save_killed_at_any_line_leaves_no_adapter_or_a_whole_one(
    run_python: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    ran = run_python(KILLED_AT_EVERY_LINE, tmp_path / "none", tmp_path / "results")
    assert ran.returncode == 0, ran.stderr
    outcomes: list[bool | None] = []
    for line in range(1, int(ran.stdout) + 1):
        try:
            adapter = load_whatever_the_copy_says(tmp_path / "results" / str(line))
            outcomes.append(adapter.is_identity)
        except (AdapterFileError, FileNotFoundError):
            outcomes.append(None)
    assert set(outcomes) == {None, True}
    assert outcomes == sorted(outcomes, key=bool)


def test_a_save_that_fails_cleans_up_and_leaves_the_old_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    save_adapter(SAVED, tmp_path)
    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_adapter(LinearAdapter.identity(3), tmp_path)
    assert content_of(read_adapter(tmp_path)) == content_of(SAVED)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_a_file_cut_short_anywhere_is_refused(
    whole: bytes, altered: Callable[[bytes], Path]
) -> None:
    for length in range(0, len(whole), 7):
        with pytest.raises(AdapterFileError, match="truncated, altered or not an adapter"):
            load_adapter(altered(whole[:length]))


def test_a_file_with_more_at_its_end_is_refused(
    whole: bytes, altered: Callable[[bytes], Path]
) -> None:
    with pytest.raises(AdapterFileError):
        load_adapter(altered(whole + b"\0"))


@pytest.mark.slow
@given(data=st.data(), byte=st.integers(0, 255))
@settings(max_examples=400, deadline=None)
def test_one_changed_byte_is_refused_or_changes_nothing(
    data: st.DataObject, byte: int, whole: bytes, altered: Callable[[bytes], Path]
) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    folder = altered(whole[:at] + bytes([byte]) + whole[at + 1 :])
    try:
        read = read_adapter(folder)
    except AdapterFileError:
        return
    assert content_of(read) == content_of(SAVED)


@pytest.mark.parametrize(
    ("told", "other"),
    [
        (b'"dtype":"F32"', b'"dtype":"I32"'),
        (b'"shape":[2,3]', b'"shape":[3,2]'),
        (b'"shape":[3]', b'"shape":[1]'),
        (b'"probe":', b'"prove":'),
    ],
)
def test_a_header_that_tells_other_numbers_of_the_same_bytes_is_refused(
    told: bytes, other: bytes, whole: bytes, altered: Callable[[bytes], Path]
) -> None:
    places = [match.span() for match in re.finditer(re.escape(told), whole)]
    assert places
    for start, end in places:
        with pytest.raises(AdapterFileError):
            load_adapter(altered(whole[:start] + other + whole[end:]))


def test_a_matrix_of_other_proportions_in_the_same_bytes_is_refused(tmp_path: Path) -> None:
    path = save_adapter(LinearAdapter(OLD.weight), tmp_path) / WEIGHTS
    path.write_bytes(path.read_bytes().replace(b'"shape":[2,3]', b'"shape":[3,2]'))
    with pytest.raises(AdapterFileError, match="does not match its checksum"):
        load_adapter(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("fake", "another-model"),
        lambda text: text[:40],
        lambda text: "[]",
        lambda text: None,
    ],
)
def test_an_edited_readable_copy_is_warned_of_and_not_used(
    edit: Callable[[str], str | None], tmp_path: Path
) -> None:
    copy = save_adapter(SAVED, tmp_path) / "adapter.json"
    edited = edit(copy.read_text(encoding="utf-8"))
    copy.unlink()
    if edited is not None:
        copy.write_text(edited, encoding="utf-8")
    with pytest.warns(UserWarning, match="record in the weights file is used") as caught:
        read = read_adapter(tmp_path)
    assert caught[0].filename == __file__
    assert content_of(read) == content_of(SAVED)


def test_a_readable_copy_in_another_layout_says_the_same(tmp_path: Path) -> None:
    copy = save_adapter(SAVED, tmp_path) / "adapter.json"
    copy.write_text(json.dumps(json.loads(copy.read_text()), indent=8, sort_keys=True))
    assert content_of(read_adapter(tmp_path)) == content_of(SAVED)


class Bent(LinearAdapter):
    kind = "bent"


def test_an_unknown_kind_is_refused_by_name(tmp_path: Path) -> None:
    save_adapter(Bent(np.eye(2)), tmp_path)
    with pytest.raises(
        AdapterFileError,
        match=r"unknown kind 'bent', expected one of \['kernel', 'linear'\]; import the module",
    ):
        load_adapter(tmp_path)


def test_a_newer_format_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as future:
        future.setattr("query_adapters.adapters.storage.PLAIN_VERSION", 4)
        save_adapter(OLD, tmp_path)
    with pytest.raises(AdapterFileError, match="format version 4 is newer than 3; upgrade"):
        load_adapter(tmp_path)


def test_safetensors_that_are_no_adapter_are_refused(tmp_path: Path) -> None:
    save_file({"weight": np.eye(2, dtype=np.float32)}, tmp_path / WEIGHTS)
    with pytest.raises(AdapterFileError, match="not an adapter"):
        load_adapter(tmp_path)


def test_weights_are_plain_safetensors_for_other_tools(tmp_path: Path) -> None:
    tensors = load_file(save_adapter(SAVED, tmp_path) / WEIGHTS)
    assert sorted(tensors) == ["bias", "probe", "weight"]
    assert tensors["weight"].tobytes() == OLD.weight.tobytes()


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no adapter folder at"):
        load_adapter(tmp_path / "nowhere")


def test_an_empty_folder_is_refused_without_talk_of_pickles(tmp_path: Path) -> None:
    with pytest.raises(AdapterFileError, match=r"found none; train again"):
        load_adapter(tmp_path)


@pytest.mark.parametrize("name", ["adapter.pkl", "model.joblib", "pytorch_model.bin", "w.pt"])
def test_a_pickle_is_refused_by_name_and_does_not_run(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Harmful(tmp_path / "it ran")))
    with pytest.raises(AdapterFileError, match=f"{name} may be a pickle and is not read"):
        load_adapter(tmp_path)
    assert not (tmp_path / "it ran").exists()


def test_an_adapter_of_the_old_package_gives_the_same_vectors(
    old_folder: Path,
) -> None:
    torch = pytest.importorskip("torch")
    queries = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    linear = torch.nn.Linear(3, 2)
    state = torch.load(old_folder / "pytorch_model.bin", weights_only=True)
    linear.load_state_dict({name.removeprefix("linear."): w for name, w in state.items()})
    there = linear(torch.tensor(queries)).detach().numpy()
    for loaded in (load_adapter(old_folder), read_old_adapter(str(old_folder))):
        np.testing.assert_allclose(loaded(queries), there, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(loaded(queries[0]), there[0], rtol=1e-5, atol=1e-6)


def test_an_adapter_of_the_old_package_without_a_bias_is_loaded(old_folder: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"linear.weight": torch.eye(2)}, old_folder / "pytorch_model.bin")
    (old_folder / "config.json").write_text('{"in_features": 2, "out_features": 2, "bias": false}')
    assert load_adapter(old_folder).is_identity


def test_our_adapter_goes_before_one_of_the_old_package(old_folder: Path) -> None:
    save_adapter(LinearAdapter.identity(5), old_folder)
    assert load_adapter(old_folder).dim_in == 5


@pytest.mark.parametrize("as_state", [False, True])
def test_code_in_an_old_file_is_refused_and_does_not_run(as_state: bool, old_folder: Path) -> None:
    torch = pytest.importorskip("torch")
    harmful: Any = Harmful(old_folder / "it ran")
    content = {"linear.weight": torch.eye(2), "linear.bias": harmful} if as_state else harmful
    torch.save(content, old_folder / "pytorch_model.bin")
    with pytest.raises(AdapterFileError, match="does not hold plain weights"):
        load_adapter(old_folder)
    assert not (old_folder / "it ran").exists()
    torch.load(old_folder / "pytorch_model.bin", weights_only=False)
    assert (old_folder / "it ran").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            '{"in_features": 2, "out_features": 2, "bias": true}',
            "config.json says .* 2, .* weights say .* 3",
        ),
        ('{"in_features": 3, "out_features": 2, "bias": false}', "bias"),
        (
            '{"in_features": 3, "hidden_features": 4, "out_features": 2, "bias": true}',
            "a linear adapter of llama-index-embeddings-adapter .*hidden_",
        ),
        ('{"in_features": 3', "config.json"),
        ('["bias", "in_features", "out_features"]', "config.json"),
        ("[[]]", "config.json"),
    ],
)
def test_a_config_of_the_old_package_that_does_not_fit_a_linear_adapter_is_refused(
    config: str, message: str, old_folder: Path
) -> None:
    (old_folder / "config.json").write_text(config)
    with pytest.raises(AdapterFileError, match=message):
        load_adapter(old_folder)


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_cut_file_of_the_old_package_is_refused(length: int, old_folder: Path) -> None:
    path = old_folder / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(AdapterFileError, match="does not hold plain weights"):
        load_adapter(old_folder)


def test_a_folder_can_be_copied_and_loaded_elsewhere(tmp_path: Path) -> None:
    save_adapter(SAVED, tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    shutil.rmtree(tmp_path / "here")
    assert content_of(read_adapter(tmp_path / "there")) == content_of(SAVED)


def test_the_model_card_holds_what_others_wrote_as_text(tmp_path: Path) -> None:
    hostile = "\n---\nlicense: mit\n---\n# [a](https://evil.b) <script> `x` \x1b[31m\ud800"
    record = AdapterRecord(base_model=hostile, training={"verdict": hostile}, created=hostile)
    save_adapter(SavedAdapter(adapter=LinearAdapter(np.eye(2)), record=record), tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    front, body = card.split("\n---\n", 1)
    assert front.splitlines()[0] == "---"
    assert "license" not in front
    tokens = pytest.importorskip("markdown_it").MarkdownIt("commonmark").parse(body)
    inline = [child.type for token in tokens for child in token.children or ()]
    assert "link_open" not in inline
    assert not [token for token in (*inline, *(t.type for t in tokens)) if "html" in token]
    assert "https://" not in body
    assert "\x1b" not in body
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2", "h2"]
