"""Versions of installed distributions."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "llama-index-finetune-plugin"


def installed_version() -> str:
    """Return the version of this distribution; "unknown" if it is not installed."""
    return version_of(DISTRIBUTION, otherwise="unknown")


def version_of(distribution: str, *, otherwise: str) -> str:
    """Return the version of a distribution; `otherwise` if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return otherwise
