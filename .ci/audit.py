"""Look for known vulnerabilities of the pinned versions with pip-audit.

    python .ci/audit.py constraints.txt

The exit status is 1 if one is known. Where no service answers, such as offline or behind an index
without that data, it says so and exits with 0, because nothing was learned.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LONGEST = 120  # seconds for all pins
TOOL = [
    sys.executable,
    *("-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"),
    *("--timeout", "5", "--format", "json", "--requirement"),
]
ACCEPTED: dict[str, str] = {}  # ids of vulnerabilities that do not concern this project, and why


class NoAnswerError(Exception):
    """No service answered."""


def audited(pins: Path) -> list[dict[str, Any]]:
    """Return what is known of each pinned version.

    Raises:
        NoAnswerError: If the tool is missing or no service knows the versions.
    """
    try:
        ran = subprocess.run(  # noqa: S603
            [*TOOL, str(pins)], capture_output=True, text=True, timeout=LONGEST
        )
        found: list[dict[str, Any]] = json.loads(ran.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"no answer within {LONGEST} s") from None
    except ValueError:
        raise NoAnswerError((ran.stderr.strip().splitlines() or ["no answer"])[-1]) from None
    known = [row for row in found if "skip_reason" not in row]
    if not known:
        raise NoAnswerError(found[0]["skip_reason"] if found else "there are no pins")
    return known


def first_of(pins: Path, folder: Path) -> Path:
    """Return a file with the first pin alone, which shows soon whether a service answers."""
    lines = pins.read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if line and not line.startswith("#"))
    target = folder / "first.txt"
    target.write_text(first + "\n", encoding="utf-8")
    return target


def main(pins: Path) -> int:
    """Print what is known, and return the exit status."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            audited(first_of(pins, Path(folder)))
        known = audited(pins)
    except NoAnswerError as exc:
        print(f"audit: skipped ({exc})")
        return 0
    reports = [(row, found) for row in known for found in row["vulns"]]
    wrong = [(row, found) for row, found in reports if found["id"] not in ACCEPTED]
    for row, found in wrong:
        fixed = ", ".join(found["fix_versions"]) or "no version"
        print(f"audit: {row['name']} {row['version']}: {found['id']}, fixed in {fixed}")
    print(f"audit: {len(known)} versions, {len(wrong)} known vulnerabilities")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
