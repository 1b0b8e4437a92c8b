"""Test that the benchmarks page contains every measured table row of the READMEs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
MEASURED = re.compile(r"\d\.\d.*\d\.\d")
NOT_SHOWN = "What was tried"  # a section that the page omits


def measured_rows(text: str) -> list[str]:
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if MEASURED.search(row)]


@pytest.mark.parametrize("path", ["README.md", "examples/benchmarks/README.md"])
def test_every_measured_row_stands_on_the_page_as_it_is(path: str) -> None:
    sections = re.split(r"^##+ ", (ROOT / path).read_text("utf-8"), flags=re.MULTILINE)
    rows = [
        row
        for section in sections
        if not section.startswith(NOT_SHOWN)
        for row in measured_rows(section)
    ]
    assert len(rows) >= 6
    assert [row for row in rows if row not in PAGE.splitlines()] == []
