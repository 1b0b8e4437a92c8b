"""Fuzzed readers: an error of this package or success, soon, whatever the bytes.

In CI each reader gets a few inputs. For longer runs, see `tests/fuzz/__main__.py`.
"""

import os
import tempfile
import time
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from query_adapters.errors import QueryAdaptersError
from tests.faults import SPECIAL, at_once, put
from tests.fuzz.found import CORPUS
from tests.fuzz.inputs import inputs
from tests.fuzz.states import state_targets
from tests.fuzz.target import Target
from tests.fuzz.targets import targets

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))  # for each reader
LONGEST = 20  # seconds for one input, on a busy machine
NAMES = tuple(targets())


@cache
def target(name: str) -> Target:
    return targets()[name]


def run(name: str, content: bytes) -> bool:
    """Return whether the reader accepts the content.

    Raises:
        Exception: Whatever is not an error of this package, or a run that takes too long.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        accepted = target(name).run(content, Path(folder))
    assert time.process_time() - start < LONGEST
    return accepted


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_accepts_its_valid_inputs(name: str) -> None:
    for seed in target(name).seeds:
        accepted = run(name, seed)
        assert accepted or name == "old adapter"  # its weights are never valid here


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_raises_only_errors_of_this_package(name: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(list(target(name).seeds)))
    def check(content: bytes) -> None:
        run(name, content)

    check()


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}")
def test_what_once_broke_a_reader_does_so_no_more(path: Path) -> None:
    run(path.parent.name.replace("_", " "), path.read_bytes())


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("name", [name for name, one in state_targets().items() if one.is_file])
def test_what_is_no_file_is_refused_at_once(name: str, kind: str, tmp_path: Path) -> None:
    reader = target(name)
    reader.write(b"", tmp_path)
    put(kind, tmp_path / reader.path)
    with at_once(), suppress(QueryAdaptersError, FileNotFoundError):
        reader.read(tmp_path)


def test_every_found_input_belongs_to_a_reader() -> None:
    assert {path.name.replace("_", " ") for path in CORPUS.iterdir()} <= set(NAMES)
