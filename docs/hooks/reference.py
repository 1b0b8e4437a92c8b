"""Generate the API reference: one page per public package, from the source without importing it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("query_adapters", "llama_index_finetune_plugin", "langchain_adapter")

# Modules without an `__all__` that users import from, with the names to document.
# An empty tuple means every public function and class of the module.
MODULES: dict[str, tuple[str, ...]] = {
    "query_adapters.data.chunked": (),
    "query_adapters.data.formats": (),
    "query_adapters.data.paths": (),
    "query_adapters.data.rows": (),
    "query_adapters.data.units": ("Units",),
    "query_adapters.deployment.tenants": ("Source",),
    "query_adapters.embedders.known_models": ("KNOWN_MODELS", "KnownModel"),
    "query_adapters.evaluation.comparison": (),
    "query_adapters.evaluation.interop": (),
    "query_adapters.evaluation.pairwise": (),
    "query_adapters.evaluation.slices": (),
    "query_adapters.evaluation.terminal_report": (),
    "query_adapters.evaluation.trec": (),
    "query_adapters.experiments.arms": ("SessionSource",),
    "query_adapters.experiments.sequential": ("AnytimeTest", "Decision"),
    "query_adapters.feedback.refit_check": ("RefitResult",),
    "query_adapters.feedback.refitting": (),
    "query_adapters.finetuning.adapter": ("FinetuneResult",),
    "query_adapters.finetuning.fusion": (
        "RetrieverFusionEngine",
        "HybridWeightEngine",
        "ComparisonOptions",
    ),
    "query_adapters.finetuning.labelfree": ("LabelFreeResult",),
    "query_adapters.finetuning.many": (),
    "query_adapters.finetuning.options": (
        "TrainerOptions",
        "RunOptions",
        "ManyOptions",
        "EngineOptions",
        "IndexOptions",
        "LabelFreeSettings",
        "LabelFreeOptions",
    ),
    "query_adapters.fusion.retrievers.hybrid_weight": ("HybridWeightResult",),
    "query_adapters.fusion.retrievers.training": ("FusionWeightsResult",),
    "query_adapters.generation.options": ("GeneratorOptions",),
    "query_adapters.pipelines.generate": (),
    "query_adapters.providers.http_client": (),
    "query_adapters.providers.redaction": ("redacted", "without_credentials"),
    "query_adapters.providers.secrets": ("remember_secret",),
    "query_adapters.training.many.decision": ("ManyResult", "TenantResult"),
    "query_adapters.training.many.shared": ("SharedMap",),
    "query_adapters.training.many.tenant": ("Tenant",),
    "query_adapters.training.many.trainer": (),
    "query_adapters.typing": ("Vectors", "Similarity", "Qrels", "Run"),
    "query_adapters.upgrade.asking": (),
    "query_adapters.upgrade.bridge": (),
    "query_adapters.upgrade.decision": ("Choice",),
    "query_adapters.upgrade.engine": ("UpgradeEngine", "UpgradeOptions"),
    "query_adapters.upgrade.plan": (),
    "query_adapters.upgrade.result": ("UpgradeResult",),
    "llama_index_finetune_plugin.experiments": ("ExperimentOptions",),
    "llama_index_finetune_plugin.folder": ("PdfPages", "read_folder", "page_ranges"),
    "llama_index_finetune_plugin.generation": (),
    "llama_index_finetune_plugin.metrics": (),
    "llama_index_finetune_plugin.migrating": ("MigratingOptions",),
    "llama_index_finetune_plugin.sentence_transformers": (),
    "llama_index_finetune_plugin.text_generator": ("LlamaIndexTextGenerator",),
    "llama_index_finetune_plugin.weighted": ("WeightedOptions",),
    "langchain_adapter.documents": (),
    "langchain_adapter.experiments": ("ExperimentOptions",),
    "langchain_adapter.fusion": ("FusionOptions",),
    "langchain_adapter.generation": (),
    "langchain_adapter.interleaved": ("InterleavedOptions",),
    "langchain_adapter.migrating": ("MigratingOptions",),
    "langchain_adapter.sentence_transformers": (),
    "langchain_adapter.text_generator": ("LangChainTextGenerator",),
    "langchain_adapter.weighted": ("WeightedOptions",),
}


@dataclass(frozen=True)
class Entry:
    """A public name, and whether this is the place where it is documented in full.

    Attributes:
        identifier: Dotted path under which users import it.
        documented_at: Identifier of its full entry; equal to `identifier` if it is this one.
    """

    identifier: str
    documented_at: str

    @property
    def is_full(self) -> bool:
        """Whether the full entry is on this page."""
        return self.identifier == self.documented_at


@dataclass(frozen=True)
class Page:
    """The reference page of one package.

    Attributes:
        package: Dotted name of the package.
        sections: Public names by the module that users import them from, the package first.
    """

    package: str
    sections: dict[str, tuple[Entry, ...]]

    @property
    def path(self) -> str:
        """Path of the page below docs/."""
        return f"reference/{self.package}.md"


def public_packages(root: Path = ROOT) -> list[str]:
    """Return every package with an `__all__`, the three top-level packages and what is in them."""
    found = []
    for package in PACKAGES:
        folders = sorted(path.parent for path in (root / package).rglob("__init__.py"))
        names = [".".join(folder.relative_to(root).parts) for folder in folders]
        found += [name for name in names if public_names(name, root)]
    return found


def public_names(module: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return the names in the module's `__all__`, which is a plain list; empty without one."""
    for node in _tree(module, root).body:
        if isinstance(node, ast.Assign) and _targets(node) == ["__all__"]:
            return tuple(ast.literal_eval(node.value))
    return ()


def defined_names(module: str, root: Path = ROOT) -> tuple[str, ...]:
    """Return the public functions and classes that the module defines, in their order."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in _tree(module, root).body if isinstance(node, kinds)]
    return tuple(name for name in names if not name.startswith("_"))


def definition(module: str, name: str, root: Path = ROOT) -> str:
    """Return the dotted path where the name is defined, following imports within the packages."""
    for node in ast.walk(_tree(module, root)):
        if isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return definition(node.module, alias.name, root)
    return f"{module}.{name}"


def pages(root: Path = ROOT) -> list[Page]:
    """Return all pages; each object has one full entry, on the first page that names it."""
    documented: dict[str, str] = {}
    found = []
    packages = public_packages(root)
    for package in packages:
        modules = {package: public_names(package, root)}
        for module, names in MODULES.items():
            if _package_of(module, packages) == package:
                modules[module] = names or defined_names(module, root)
        sections = {
            module: tuple(_entries(module, names, documented, root))
            for module, names in modules.items()
        }
        found.append(Page(package, sections))
    return found


def markdown(page: Page, root: Path = ROOT) -> str:
    """Return the page: one mkdocstrings directive per full entry, links to the other entries."""
    parts = [f"# {page.package}", _docstring(page.package, root)]
    for module, entries in page.sections.items():
        is_package = module == page.package
        if not is_package:
            parts += [f"## {module}", _docstring(module, root)]
        options = "" if is_package else "\n    options:\n      heading_level: 3"
        elsewhere = [entry for entry in entries if not entry.is_full]
        if elsewhere:
            parts.append(f"From `{module}` you can also import {_links(elsewhere)}.")
        parts += [f"::: {entry.identifier}{options}" for entry in entries if entry.is_full]
    return "\n\n".join(parts) + "\n"


def index_markdown(found: list[Page], root: Path = ROOT) -> str:
    """Return the overview: every package with its first line and its names."""
    parts = [
        "# Reference",
        "Every public name, by the package that you import it from. The pages are generated from "
        "the docstrings. [Errors](../errors.md) have a page of their own.",
    ]
    for page in found:
        parts.append(f"## [{page.package}]({page.package}.md)")
        parts.append(_docstring(page.package, root).split("\n\n")[0])
        for module, entries in page.sections.items():
            parts.append(f"`{module}`: {_links(entries)}")
    return "\n\n".join(parts) + "\n"


def on_config(config: Any) -> Any:
    """Add the pages to the navigation, below Reference."""
    section = next(item["Reference"] for item in config.nav if "Reference" in item)
    section += [{page.package: page.path} for page in pages()]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to the files of the site."""
    from mkdocs.structure.files import File

    found = pages()
    files.append(File.generated(config, "reference/index.md", content=index_markdown(found)))
    for page in found:
        files.append(File.generated(config, page.path, content=markdown(page)))
    return files


def _entries(
    module: str, names: tuple[str, ...], documented: dict[str, str], root: Path
) -> Iterator[Entry]:
    for name in names:
        identifier = f"{module}.{name}"
        yield Entry(identifier, documented.setdefault(definition(module, name, root), identifier))


def _links(entries: tuple[Entry, ...] | list[Entry]) -> str:
    return ", ".join(
        f"[`{entry.identifier.rpartition('.')[2]}`][{entry.documented_at}]" for entry in entries
    )


def _package_of(module: str, packages: list[str]) -> str:
    """Return the innermost public package that holds the module."""
    return max((name for name in packages if f"{module}.".startswith(f"{name}.")), key=len)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in PACKAGES


def _targets(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _docstring(module: str, root: Path) -> str:
    return ast.get_docstring(_tree(module, root)) or ""


@cache
def _tree(module: str, root: Path) -> ast.Module:
    path = root.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))
