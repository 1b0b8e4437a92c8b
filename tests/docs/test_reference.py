"""Test that the reference covers every public name and the errors page every error."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

from query_adapters import errors as errors_module
from tests.scripts import ROOT, load_script

CODE_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


reference, errors = (load_script(f"docs/hooks/{name}.py") for name in ("reference", "errors"))
PAGES = reference.pages()
ENTRIES = [entry for page in PAGES for entries in page.sections.values() for entry in entries]


def packages() -> list[str]:
    """Return the names of the three packages and of all their subpackages."""
    found = list(reference.PACKAGES)
    for name in reference.PACKAGES:
        paths = importlib.import_module(name).__path__
        walked = pkgutil.walk_packages(paths, f"{name}.")
        found += [module.name for module in walked if module.ispkg]
    return found


def resolved(identifier: str) -> Any:
    module, _, name = identifier.rpartition(".")
    return getattr(importlib.import_module(module), name)


def imports_of(source: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def shown_imports() -> set[tuple[str, str]]:
    """Return the names that README, site and numbered examples import from the packages."""
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    sources = [code for path in texts for code in CODE_BLOCK.findall(path.read_text("utf-8"))]
    sources += [path.read_text("utf-8") for path in (ROOT / "examples").glob("*.py")]
    found = {pair for source in sources for pair in imports_of(source)}
    return {pair for pair in found if pair[0].partition(".")[0] in reference.PACKAGES}


@pytest.mark.parametrize("package", packages())
def test_every_public_name_has_an_entry(package: str) -> None:
    public = set(getattr(importlib.import_module(package), "__all__", ()))
    listed = [page.sections[package] for page in PAGES if page.package == package]
    assert {entry.identifier for entries in listed for entry in entries} == {
        f"{package}.{name}" for name in public
    }


def test_every_entry_resolves_to_the_object_that_its_full_entry_documents() -> None:
    assert len(ENTRIES) > 100
    for entry in ENTRIES:
        assert resolved(entry.identifier) is resolved(entry.documented_at), entry


def test_each_full_entry_is_rendered_once_and_the_others_link_to_it() -> None:
    rendered = "".join(reference.markdown(page) for page in PAGES)
    directives = re.findall(r"^::: (\S+)$", rendered, re.MULTILINE)
    assert len(directives) == len(set(directives))
    assert set(directives) == {entry.documented_at for entry in ENTRIES}
    links = set(re.findall(r"\]\[(\S+?)\]", rendered))
    assert links == {entry.documented_at for entry in ENTRIES if not entry.is_full}


def test_the_index_names_every_entry() -> None:
    links = re.findall(r"\[`(\w+)`\]\[(\S+?)\]", reference.index_markdown(PAGES))
    assert sorted(links) == sorted(
        (entry.identifier.rpartition(".")[2], entry.documented_at) for entry in ENTRIES
    )


def test_what_readme_site_and_examples_import_is_documented() -> None:
    documented = {reference.definition(*entry.identifier.rsplit(".", 1)) for entry in ENTRIES}
    shown = shown_imports()
    assert len(shown) > 10
    missing = {
        f"{module}.{name}"
        for module, name in shown
        if module != errors.MODULE and reference.definition(module, name) not in documented
    }
    assert missing == set(), "add the module to MODULES in docs/hooks/reference.py"


def test_the_errors_page_describes_every_class_of_the_module() -> None:
    defined = {
        name
        for name, value in vars(errors_module).items()
        if isinstance(value, type) and value.__module__ == errors.MODULE and name[0] != "_"
    }
    found = errors.described(errors.SOURCE.read_text("utf-8"))
    assert {error.name for error in found} == defined
    page = errors.markdown(found)
    for error in found:
        assert f"{{ #{errors.MODULE}.{error.name} }}" in page
        assert error.occasion in page


SOURCE = '''
class BaseError(Exception):
    """Base of the errors."""


class EmptyError(BaseError, ValueError):
    """Raised when a set
    is empty.

    Remedy: add a question
    to it.

    It is raised before anything is read.

    Attributes:
        name: Name of
            the set.
    """


class SmallError(EmptyError):
    """Raised when a set is small."""


class SlowWarning(UserWarning):
    """Issued when a set is large.

    Remedy: wait.
    """
'''


def test_an_error_is_read_from_its_docstring() -> None:
    base, empty, small, slow = errors.described(SOURCE)
    assert empty.occasion == "Raised when a set is empty."
    assert empty.remedy == "add a question to it."
    assert empty.notes == ("It is raised before anything is read.",)
    assert empty.attributes == {"name": "Name of the set."}
    assert (base.remedy, small.remedy, slow.remedy) == ("", "", "wait.")
    assert [error.is_warning for error in (empty, slow)] == [False, True]


def test_the_tree_shows_who_derives_from_whom() -> None:
    assert errors.tree(errors.described(SOURCE)) == (
        "BaseError (Exception)\n"
        "└── EmptyError (ValueError)\n"
        "    └── SmallError\n"
        "SlowWarning (UserWarning)"
    )


def test_the_page_has_remedies_and_a_section_of_warnings() -> None:
    page = errors.markdown(errors.described(SOURCE))
    before, after = page.split("## Warnings")
    assert "**Remedy:** add a question to it." in before
    assert "SlowWarning {" not in before
    assert "**Remedy:** wait." in after


def test_every_error_and_warning_has_a_remedy() -> None:
    found = errors.described(errors.SOURCE.read_text("utf-8"))
    assert len(found) >= 20
    assert [entry.name for entry in found if not entry.remedy] == []


@pytest.mark.parametrize("package", reference.PACKAGES)
def test_every_warning_of_the_packages_has_a_class_of_its_own(package: str) -> None:
    calls = re.compile(r"warnings\.warn\((?:[^()]|\([^()]*\))*\)")
    for path in (ROOT / package).rglob("*.py"):
        for call in calls.findall(path.read_text("utf-8")):
            assert re.search(r"\b[A-Z]\w+Warning\b", call), f"{path.name}: {call}"
