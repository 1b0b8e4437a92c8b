"""Write results as JSON, with the versions that produced them; the README quotes these files."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # serving is measured where the extra `train` is not installed
    from query_adapters.evaluation.pairwise import MetricComparison

LIBRARIES = (
    "llama-index-core",
    "llama-index-embeddings-adapter",
    "numpy",
    "scipy",
    "sentence-transformers",
    "torch",
)


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write the results with Python's, the machine's and the libraries' versions."""
    about = {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {platform.system()}",
        "libraries": {name: installed(name) for name in LIBRARIES},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**results, **about}, indent=2) + "\n", encoding="utf-8")


def as_json(comparison: Mapping[str, "MetricComparison"]) -> dict[str, Any]:
    """Return base, adapted and difference of each metric, with their intervals."""
    return {name: asdict(row) for name, row in comparison.items()}


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
