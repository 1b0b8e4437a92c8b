"""Test that all writers replace a file completely or not at all."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import load_adapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.formats import write_beir, write_llama_index_json
from query_adapters.data.paths import write_dataset
from query_adapters.evaluation import evaluate_run
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.html_report import write_html
from query_adapters.evaluation.trec import write_qrels, write_run
from query_adapters.files.atomic import replace_file
from tests.faults import at_once, failing, largest_file, put

OLD = RetrievalDataset({"q": "how far?"}, {"d": "Four miles."}, {"q": {"d": 1}})
NEW = RetrievalDataset({"r": "how long?"}, {"e": "An hour."}, {"r": {"e": 1}})


def write_page(dataset: RetrievalDataset, path: Path) -> None:
    found = evaluate_run({query: list(dataset.corpus) for query in dataset.queries}, dataset.qrels)
    compared = compare_systems({"a": found, "b": found}, baseline="a")
    write_html(compared, path, title=" ".join(dataset.queries))


WRITERS: dict[str, Callable[[RetrievalDataset, Path], object]] = {
    "LlamaIndex": write_llama_index_json,
    "plugin": lambda d, path: EmbeddingQAFinetuneDataset.from_retrieval_dataset(d).save_json(path),
    "BEIR": write_beir,
    "run": lambda d, path: write_run({query: list(d.corpus) for query in d.queries}, path),
    "qrels": lambda d, path: write_qrels(d.qrels, path),
    "page": write_page,
}


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_leaves_what_was_there(
    write: Callable[[RetrievalDataset, Path], object], tmp_path: Path
) -> None:
    write(OLD, tmp_path / "out")
    before = content(tmp_path)
    with largest_file(3), pytest.raises(OSError, match="File too large"):
        write(NEW, tmp_path / "out")
    assert content(tmp_path) == before
    write(NEW, tmp_path / "out")
    assert content(tmp_path).keys() == before.keys()
    assert content(tmp_path) != before


def test_writers_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"outer "
        replace_file(tmp_path / "file", [b"inner"])
        yield b"end"

    replace_file(tmp_path / "file", parts())
    assert content(tmp_path) == {tmp_path / "file": b"outer end"}


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    assert replace_file(link, [b"new"]) == link
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_pipe_is_written_to() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as end:
        replace_file(f"/dev/fd/{writer}", [b"through ", b"it"])
        os.close(writer)
        assert end.read() == b"through it"


def test_what_is_no_file_is_written_to_and_not_replaced() -> None:
    null = Path("/dev/null")
    replace_file(null, [b"gone"])
    assert null.is_char_device()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
@pytest.mark.parametrize("is_link", [False, True], ids=["file", "link"])
def test_nobody_reads_meanwhile_who_may_not_read_the_file(
    mode: int, is_link: bool, tmp_path: Path
) -> None:
    path = real = tmp_path / "real"
    real.touch()
    real.chmod(mode)
    if is_link:
        (path := tmp_path / "link").symlink_to(real)
    modes: list[int] = []

    def parts() -> Iterator[bytes]:
        yield b"first"
        modes.extend(stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob(".*.tmp"))
        yield b"second"

    with umask(0):
        replace_file(path, parts())
    assert modes == [mode]
    assert stat.S_IMODE(real.stat().st_mode) == mode
    assert path.is_symlink() == is_link


def test_a_new_file_has_the_permissions_that_the_process_gives(tmp_path: Path) -> None:
    with umask(0o027):
        replace_file(tmp_path / "new", [b"new"])
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("function", ["fsync", "open", "replace", "fchmod"])
def test_a_broken_disk_leaves_the_file_and_nothing_else(
    function: str, code: int, tmp_path: Path
) -> None:
    replace_file(tmp_path / "file", [b"old"])
    with failing(function, code), pytest.raises(OSError, match="file") as caught:
        replace_file(tmp_path / "file", [b"new"])
    assert caught.value.errno == code
    assert content(tmp_path) == {tmp_path / "file": b"old"}


@pytest.mark.parametrize("link", ["dangling link", "link loop"])
def test_a_link_to_nothing_is_written_through(link: str, tmp_path: Path) -> None:
    path = put(link, tmp_path / "link")
    replace_file(path, [b"new"])
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket"])
def test_what_takes_no_bytes_is_an_error_at_once(kind: str, tmp_path: Path) -> None:
    path = put(kind, tmp_path / "file")
    with at_once(), pytest.raises(OSError, match="file"):
        replace_file(path, [b"new"])


def test_an_adapter_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    save_adapter(LinearAdapter.identity(4), tmp_path)
    before = content(tmp_path)
    for function in ("fsync", "replace"):
        with failing(function, errno.ENOSPC), pytest.raises(OSError, match=r"adapter\.safetensors"):
            save_adapter(LinearAdapter.identity(5), tmp_path)
        assert content(tmp_path) == before
    assert load_adapter(tmp_path).dim_in == 4


def test_a_parquet_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "data.parquet"
    write_dataset(OLD, path)
    before = content(tmp_path)
    with failing("fsync", errno.ENOSPC), pytest.raises(OSError, match=r"data\.parquet"):
        write_dataset(NEW, path)
    assert content(tmp_path) == before
