"""A short fuzzing run that is guided by coverage; for longer ones, see `tests/fuzz/guided.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ("json", "feedback log", "adapter record", "embeddings answer")
SECONDS = 3
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_coverage_guides_to_no_other_errors(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this Python or system")
    result = tmp_path / "result.json"
    command = ["--minutes", str(SECONDS / 60), "--result", str(result)]
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "tests.fuzz.guided", *NAMES, *command],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(result.read_text(encoding="utf-8"))
    assert "WARNING: no interesting inputs" not in ran.stderr  # the package is instrumented
    assert found["executions"].keys() == set(NAMES)
