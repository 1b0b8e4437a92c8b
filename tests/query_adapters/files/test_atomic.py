"""Test that all writers replace a file completely or not at all."""

import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.formats import write_beir, write_llama_index_json
from query_adapters.evaluation import evaluate_run
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.html_report import write_html
from query_adapters.evaluation.trec import write_qrels, write_run
from query_adapters.files.atomic import replace_file

OLD = RetrievalDataset({"q": "how far?"}, {"d": "Four miles."}, {"q": {"d": 1}})
NEW = RetrievalDataset({"r": "how long?"}, {"e": "An hour."}, {"r": {"e": 1}})
LONE_SURROGATE = "\ud800"  # cannot be encoded in UTF-8


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


@contextmanager
def no_room() -> Iterator[None]:
    """Limit the size of files to a few bytes, to simulate a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_leaves_what_was_there(
    write: Callable[[RetrievalDataset, Path], object], tmp_path: Path
) -> None:
    write(OLD, tmp_path / "out")
    before = content(tmp_path)
    with no_room(), pytest.raises(OSError, match="File too large"):
        write(NEW, tmp_path / "out")
    assert content(tmp_path) == before
    write(NEW, tmp_path / "out")
    assert content(tmp_path).keys() == before.keys()
    assert content(tmp_path) != before


@pytest.mark.parametrize("field", ["queries", "corpus"])
def test_a_text_that_no_file_holds_leaves_the_folder_whole(field: str, tmp_path: Path) -> None:
    write_beir(OLD, tmp_path)
    before = content(tmp_path)[tmp_path / f"{field}.jsonl"]
    texts = {"queries": {"r": "how long?"}, "corpus": {"e": "An hour."}}
    texts[field] = dict.fromkeys(texts[field], LONE_SURROGATE)
    with pytest.raises(UnicodeEncodeError):
        write_beir(RetrievalDataset(**texts, qrels={"r": {"e": 1}}), tmp_path)
    assert content(tmp_path)[tmp_path / f"{field}.jsonl"] == before


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
