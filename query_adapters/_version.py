"""The version that is installed."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "llama-index-finetune-plugin"


def installed_version() -> str:
    """Return the version of this distribution, "unknown" where it runs without being installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
