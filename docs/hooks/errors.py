"""Generate errors.md from the docstrings of query_adapters/errors.py."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODULE = "query_adapters.errors"
SOURCE = Path(__file__).resolve().parents[2] / "query_adapters" / "errors.py"
SECTION = re.compile(r"^(Attributes|Args|Example|Source):")
ATTRIBUTE = re.compile(r"^ {4}(\w+):(.*)$")


@dataclass(frozen=True)
class Described:
    """An error or warning, as its docstring describes it.

    Attributes:
        name: Name of the class.
        bases: Names of its base classes.
        occasion: When it is raised.
        remedy: What to do about it; empty if the docstring has no "Remedy:" paragraph.
        notes: Further paragraphs.
        attributes: Description of each attribute.
    """

    name: str
    bases: tuple[str, ...]
    occasion: str
    remedy: str
    notes: tuple[str, ...]
    attributes: dict[str, str]

    @property
    def is_warning(self) -> bool:
        """Whether it is a warning."""
        return self.name.endswith("Warning")


def described(source: str) -> list[Described]:
    """Return every public class of the module with this source, in its order."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return [_described(node) for node in classes if not node.name.startswith("_")]


def tree(found: list[Described]) -> str:
    """Return the classes as a text tree, each with the builtins that it derives from."""
    names = {error.name for error in found}
    roots = [error for error in found if not names.intersection(error.bases)]
    return "\n".join(line for root in roots for line in _branch(root, found))


def markdown(found: list[Described]) -> str:
    """Return the page: the tree, then every error and every warning with its remedy."""
    errors = [error for error in found if not error.is_warning]
    warnings = [error for error in found if error.is_warning]
    parts = [
        "# Errors and warnings",
        f"Everything that the packages raise on purpose is defined in `{MODULE}`. Each error is "
        "also the builtin error that you would expect, which the tree names in parentheses: "
        "`except ValueError` catches an invalid dataset.",
        f"```text\n{tree(found)}\n```",
        "## Errors",
        *map(_entry, errors),
    ]
    if warnings:
        parts += ["## Warnings", *map(_entry, warnings)]
    return "\n\n".join(parts) + "\n"


def on_files(files: Any, config: Any) -> Any:
    """Add the page to the files of the site."""
    from mkdocs.structure.files import File

    content = markdown(described(SOURCE.read_text(encoding="utf-8")))
    files.append(File.generated(config, "errors.md", content=content))
    return files


def _described(node: ast.ClassDef) -> Described:
    paragraphs = (ast.get_docstring(node) or "").split("\n\n")
    texts = [_one_line(text) for text in paragraphs if not SECTION.match(text)]
    remedies = [text for text in texts if text.startswith("Remedy:")]
    return Described(
        name=node.name,
        bases=tuple(ast.unparse(base) for base in node.bases),
        occasion=texts[0],
        remedy=" ".join(text.removeprefix("Remedy:").strip() for text in remedies),
        notes=tuple(text for text in texts[1:] if text not in remedies),
        attributes=_attributes(paragraphs),
    )


def _attributes(paragraphs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in paragraphs:
        name = ""
        for line in text.splitlines()[1:] if text.startswith("Attributes:") else ():
            if match := ATTRIBUTE.match(line):
                name, found[match[1]] = match[1], match[2].strip()
            else:
                found[name] = f"{found.get(name, '')} {line.strip()}"
    return found


def _branch(
    error: Described, found: list[Described], indent: str = "", mark: str = ""
) -> list[str]:
    ours = {other.name for other in found}
    builtins = ", ".join(base for base in error.bases if base not in ours)
    lines = [f"{indent}{mark}{error.name}" + (f" ({builtins})" if builtins else "")]
    below = indent + {"": "", "├── ": "│   ", "└── ": "    "}[mark]
    children = [other for other in found if error.name in other.bases]
    for child in children:
        lines += _branch(child, found, below, "└── " if child is children[-1] else "├── ")
    return lines


def _entry(error: Described) -> str:
    parts = [
        f"### {error.name} {{ #{MODULE}.{error.name} }}",
        error.occasion,
        *([f"**Remedy:** {error.remedy}"] if error.remedy else []),
        *error.notes,
    ]
    if error.attributes:
        listed = (f"- `{name}`: {text}" for name, text in error.attributes.items())
        parts.append("Attributes:\n\n" + "\n".join(listed))
    return "\n\n".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split())
