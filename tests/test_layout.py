"""Tests of the layout: modules that an import loads, dependencies, module sizes, extras."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from query_adapters._extras import MODULE_OF

ROOT = Path(__file__).resolve().parent.parent
CORE, INTEGRATIONS = "query_adapters", ("llama_index_finetune_plugin", "langchain_adapter")
PACKAGES = (CORE, *INTEGRATIONS)
FRAMEWORKS = ("llama_index", "langchain", "langchain_core", "langchain_community")
DATABASES = (
    "azure", "chromadb", "duckdb", "elasticsearch", "faiss", "lancedb", "langchain_community",
    "opensearchpy", "pgvector", "pinecone", "pymilvus", "qdrant_client", "sqlite_vec",
)  # fmt: skip
PICKLES = ("pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal")
ALLOWED = (
    "joblib.Parallel", "joblib.delayed", "joblib.parallel.get_active_backend",
    "joblib.externals.loky.get_reusable_executor",
)  # fmt: skip
"""What may be imported of joblib, which also reads pickle files (`joblib.load`): it runs fits in
processes, whose messages are pickles of this program's own, never a file of someone else's."""
MAY_NOT_IMPORT = {
    CORE: (*FRAMEWORKS, *INTEGRATIONS, *PICKLES),
    "llama_index_finetune_plugin": ("langchain_adapter", "llama_index.finetuning", *PICKLES),
    "langchain_adapter": ("llama_index_finetune_plugin", "llama_index.finetuning", *PICKLES),
}
ORDER = (
    "text", "errors", "typing", "_version", "files", "_extras", "arrays", "device", "registry",
    "processes", "providers", "remote", "embedders", "data", "lexical", "locating", "adapters",
    "deployment", "evaluation", "demo", "stores", "training", "fusion", "generation", "finetuning",
    "feedback", "model_tuning", "upgrade", "experiments", "monitoring", "pipelines", "testing",
    "cli", "__main__",
)  # fmt: skip
"""The modules and folders of the core; each may import those before it."""
MAX_LINES = 250
MAX_TOP_LEVEL_MODULES = 10
MIN_DUPLICATED_LINES = 6
IMPORT_LINE = re.compile(r'(from [\w.]+ )?import |"?[\w.]+"?,$')  # also names in __all__
TRAIN_ON_THE_CPU = """
import numpy as np
from query_adapters import EmbeddedDataset
from query_adapters.training import AdapterTrainer
vectors = np.eye(4, dtype=np.float32)
data = EmbeddedDataset(vectors, vectors, tuple(np.arange(4)[:, None]))
AdapterTrainer(strengths=(1.0,), memories=(None,), n_folds=2, seen_share=1, device="cpu").fit(data)
"""
SERVE_LLAMA_INDEX = """
from llama_index.core.embeddings import MockEmbedding
from llama_index_finetune_plugin import LinearAdapterEmbedding
model = LinearAdapterEmbedding(MockEmbedding(embed_dim=2), weight=[[0, 2], [1, 0]])
assert model.get_query_embedding("q") != model.get_text_embedding("d")
"""
SERVE_LANGCHAIN = """
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_adapter import LinearAdapterEmbeddings
model = LinearAdapterEmbeddings(DeterministicFakeEmbedding(size=2), weight=[[0, 2], [1, 0]])
assert model.embed_query("q") != model.embed_documents(["q"])[0]
"""


def run_fresh(code: str) -> subprocess.CompletedProcess[str]:
    """Run the code in a new interpreter and return the finished process."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT
    )


def loaded_after(statement: str, *, watched: tuple[str, ...]) -> set[str]:
    """Return the watched top-level modules that the statement loads in a new interpreter."""
    probe = f"import sys\n{statement}\nprint(*{{n.partition('.')[0] for n in sys.modules}})"
    ran = run_fresh(probe)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split()) & set(watched)


def error_without(module: str, statement: str) -> str:
    """Return the last stderr line when the statement runs without the module installed."""
    ran = run_fresh(f"import sys\nsys.modules[{module!r}] = None\n{statement}")
    assert ran.returncode == 1, "nothing was refused"
    return ran.stderr.strip().splitlines()[-1]


def pip_line(module: str, extra: str) -> str:
    return (
        f"query_adapters.errors.MissingExtraError: '{module}' is not installed. "
        f"Install it with: pip install 'llama-index-finetune-plugin[{extra}]'"
    )


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names of all imports at any depth; `from a import b` may mean `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(source: str, *, forbidden: tuple[str, ...]) -> list[str]:
    """Return all forbidden imports, print calls and asserts in the source."""
    tree = ast.parse(source)
    found = [
        name
        for name in imported_modules(tree)
        if name not in ALLOWED and any(f"{name}.".startswith(f"{prefix}.") for prefix in forbidden)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            found.append("assert")
        elif isinstance(node, ast.Name) and node.id == "print":
            found.append("print")
    return found


def modules_of(package: str) -> dict[str, Path]:
    """Return the paths of all modules of a package by dotted name."""
    paths = (ROOT / package).rglob("*.py")
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def imports_within(package: str) -> dict[str, set[str]]:
    """Return for each module of a package the modules of that package that it imports."""
    modules = modules_of(package)
    graph = {}
    for name, path in modules.items():
        found = set(imported_modules(ast.parse(path.read_text(encoding="utf-8"))))
        known = {target if target in modules else target.rpartition(".")[0] for target in found}
        graph[name] = (known & modules.keys()) - {name}
    return graph


def unit_of(module: str) -> str:
    """Return the top-level folder or module of the core that contains a module."""
    return module.split(".")[1]


def code_lines(path: Path) -> list[str]:
    """Return the stripped lines of a module without imports, exports, blanks and punctuation."""
    stripped = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in stripped if re.search(r"\w", line) and not IMPORT_LINE.match(line)]


def duplicated_runs(one: list[str], other: list[str]) -> list[str]:
    """Return the first line of each run of `MIN_DUPLICATED_LINES` lines that both contain."""
    size = MIN_DUPLICATED_LINES
    known = {tuple(other[start : start + size]) for start in range(len(other) - size + 1)}
    starts = range(len(one) - size + 1)
    return [one[start] for start in starts if tuple(one[start : start + size]) in known]


def canonical(requirement: str) -> str:
    """Return the normalized distribution name of a requirement line."""
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        (
            "import query_adapters, llama_index_finetune_plugin",
            ("torch", "scipy", "joblib", "langchain_core", "sentence_transformers"),
        ),
        ("import query_adapters", ("llama_index", "llama_index_finetune_plugin", "rich")),
        ("import query_adapters.lexical", ("bm25s", "Stemmer", "scipy", "torch")),
        ("import query_adapters.embedders", ("openai", "cohere", "sentence_transformers")),
        (
            "import query_adapters.cli",
            ("llama_index", "langchain_core", "scipy", "torch", "openai", "cohere"),
        ),
        (
            "import langchain_adapter",
            ("torch", "scipy", "joblib", "llama_index", "llama_index_finetune_plugin", "pandas"),
        ),
        (SERVE_LLAMA_INDEX, ("torch", "scipy", "joblib", "langchain_core", "langchain_adapter")),
        (
            SERVE_LANGCHAIN,
            ("torch", "scipy", "joblib", "llama_index", "llama_index_finetune_plugin"),
        ),
        ("import llama_index_finetune_plugin.stores, langchain_adapter.stores", DATABASES),
        ("import query_adapters.pipelines", ("ray", "pyarrow", "torch", "scipy")),
        (TRAIN_ON_THE_CPU, ("torch",)),
    ],
    ids=[
        "LlamaIndex",
        "core",
        "fusion",
        "models by name",
        "command line",
        "LangChain",
        "serving in LlamaIndex",
        "serving in LangChain",
        "stores",
        "pipelines",
        "training on the CPU",
    ],
)
def test_an_import_loads_nothing_heavy_and_no_other_framework(
    statement: str, unwanted: tuple[str, ...]
) -> None:
    assert loaded_after(statement, watched=unwanted) == set()


@pytest.mark.slow
def test_the_import_probe_sees_torch_when_it_is_loaded() -> None:
    assert loaded_after("import torch", watched=("torch", "rich")) == {"torch"}


@pytest.mark.slow
@pytest.mark.parametrize("extra", MODULE_OF)
def test_an_extra_installs_the_distribution_of_its_module(extra: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    owners = packages_distributions().get(MODULE_OF[extra].partition(".")[0])
    if owners is None:
        pytest.skip(f"the extra `{extra}` is not installed")
    assert {canonical(line) for line in extras[extra]} & {canonical(owner) for owner in owners}


@pytest.mark.slow
@pytest.mark.parametrize(("extra", "module"), MODULE_OF.items())
def test_a_missing_extra_is_refused_with_its_pip_line(extra: str, module: str) -> None:
    statement = f"from query_adapters._extras import require_extra\nrequire_extra({extra!r})"
    assert error_without(module, statement) == pip_line(module, extra)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "extra"),
    [
        ("query_adapters.training", "train"),
        ("query_adapters.evaluation.pairwise", "train"),
        ("query_adapters.evaluation.html_report", "train"),
        ("query_adapters.evaluation.terminal_report", "train"),
        ("query_adapters.evaluation.significance", "train"),
        ("query_adapters.evaluation.comparison", "train"),
        ("query_adapters.pipelines", "parquet"),
        ("query_adapters.cli", "cli"),
        ("query_adapters.testing", "testing"),
        ("llama_index_finetune_plugin", "llama-index"),
        ("langchain_adapter", "langchain"),
    ],
)
def test_a_package_refuses_to_load_without_its_extra(package: str, extra: str) -> None:
    module = MODULE_OF[extra]
    assert error_without(module, f"import {package}") == pip_line(module, extra)


@pytest.mark.slow
def test_a_string_as_the_base_needs_llama_index_in_langchain_too() -> None:
    statement = (
        "from langchain_adapter import AdapterEmbeddings\nAdapterEmbeddings('local:m', None)"
    )
    module = MODULE_OF["llama-index"]
    assert error_without(module, statement) == pip_line(module, "llama-index")


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_importable(package: str) -> None:
    module = importlib.import_module(package)
    names = list(module.__all__)
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_layers_hold_and_library_code_neither_prints_pickles_nor_asserts(package: str) -> None:
    found = {
        str(path.relative_to(ROOT)): violations(
            path.read_text(encoding="utf-8"), forbidden=MAY_NOT_IMPORT[package]
        )
        for path in (ROOT / package).rglob("*.py")
        if path.parent != ROOT / CORE / "testing"  # its modules are tests, which assert
    }
    assert found, f"{package} holds no module"
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import llama_index.core.schema", ["llama_index.core.schema"]),
        ("def f():\n    from llama_index import finetuning", ["llama_index.finetuning"]),
        ("from pickle import loads", ["pickle.loads"]),
        ("from joblib import Parallel, load", ["joblib.load"]),
        ("import joblib", ["joblib"]),
        ("import llama_index_finetune_plugin, numpy", []),
        ("print(1)", ["print"]),
        ("assert True", ["assert"]),
    ],
)
def test_the_layer_check_finds_what_it_looks_for(source: str, expected: list[str]) -> None:
    assert violations(source, forbidden=("llama_index", "pickle", "joblib")) == expected


def test_the_core_has_few_top_level_modules_and_each_has_its_place_in_the_order() -> None:
    top = {path.stem for path in (ROOT / CORE).glob("*.py")} - {"__init__"}
    assert len(top) < MAX_TOP_LEVEL_MODULES  # `__init__` is one more
    folders = {path.parent.name for path in (ROOT / CORE).glob("*/__init__.py")}
    assert top | folders == set(ORDER)


def test_only_the_contract_tests_import_pytest_and_nothing_imports_them() -> None:
    importing = {
        name
        for package in PACKAGES
        for name, path in modules_of(package).items()
        for target in imported_modules(ast.parse(path.read_text(encoding="utf-8")))
        if target.partition(".")[0] == "pytest" or target.startswith(f"{CORE}.testing.")
    }
    assert importing
    assert {name for name in importing if unit_of(f"{name}.") != "testing"} == set()


def test_no_module_of_the_core_imports_upward() -> None:
    upward = [
        (module, target)
        for module, targets in imports_within(CORE).items()
        for target in targets - {CORE}
        if module != CORE and ORDER.index(unit_of(target)) > ORDER.index(unit_of(module))
    ]
    assert upward == []


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_have_no_cycle(package: str) -> None:
    graph = imports_within(package)
    assert any(graph.values())
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_too_long(package: str) -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules_of(package).values()
    }
    too_long = {path for path, n in lengths.items() if n > MAX_LINES}
    assert too_long == set()


def test_the_integrations_share_no_code_that_belongs_in_the_core() -> None:
    llama_index, langchain = (
        {path.relative_to(ROOT): code_lines(path) for path in modules_of(package).values()}
        for package in INTEGRATIONS
    )
    found = {
        (str(one), str(other)): runs
        for one, lines in llama_index.items()
        for other, others in langchain.items()
        if (runs := duplicated_runs(lines, others))
    }
    assert found == {}


def test_the_duplicate_check_finds_a_run_and_ignores_a_shorter_one() -> None:
    lines = [f"line {number}" for number in range(10)]
    assert duplicated_runs(lines, ["a", *lines[2:8], "b"]) == ["line 2"]
    assert duplicated_runs(lines, ["a", *lines[2:7], "b"]) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples" / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_a_notebook_says_how_to_install_and_holds_no_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code[0]["source"][0].startswith("# %pip install 'llama-index-finetune-plugin[")
    left = [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"] is not None]
    assert left == [], "clear all outputs, then save"
