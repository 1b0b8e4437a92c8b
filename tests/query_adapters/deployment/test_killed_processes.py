"""Kill processes that push and promote at random moments: the short version of the benchmark."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.scripts import load_script

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def killing() -> Any:
    return load_script("examples/benchmarks/registry.py")


def test_no_confirmed_move_is_lost_and_nothing_is_left(killing: Any, tmp_path: Path) -> None:
    url = str(tmp_path / "registry")
    found = killing.run(url, tmp_path, processes=6, rounds=8, life_s=0.2)
    assert found["confirmed"] > 10
    wrong = {name: found[name] for name in ("lost", "gaps", "broken", "orphans")}
    assert wrong == {"lost": 0, "gaps": 0, "broken": [], "orphans": []}
