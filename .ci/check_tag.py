"""Fail unless the tag, the package's version, CITATION.cff and CHANGELOG.md name one release.

Usage: `check_tag.py TAG`, such as `check_tag.py v1.2.0`.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return what keeps the tag from being released, one sentence each; empty if nothing does."""
    version = str(tomllib.loads(read(root / "pyproject.toml"))["project"]["version"])
    cited = re.search(r"^version: *(\S+)", read(root / "CITATION.cff"), re.MULTILINE)
    heading = rf"^## {re.escape(version)}( |$)"
    found = []
    if tag != f"v{version}":
        found.append(
            f"the tag is {tag}, but pyproject.toml has version {version}: expected v{version}"
        )
    if cited is None or cited[1] != version:
        found.append(f"CITATION.cff does not have `version: {version}`")
    if not re.search(heading, read(root / "CHANGELOG.md"), re.MULTILINE):
        found.append(f"CHANGELOG.md has no heading `## {version}`: rename `## Unreleased`")
    return found


def read(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit("\n".join(problems(sys.argv[1])) or 0)
