"""Model versions in MLflow's registry that hold an adapter's folder.

    mlflow:/models:/faq/3                  version 3
    mlflow:/models:/faq@production         the version that an alias names
    mlflow:/models:/faq/3/a/folder         a folder among its artifacts

Behind `mlflow:/` is MLflow's own URI. Only files that belong to an adapter are downloaded.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from query_adapters._extras import require_extra
from query_adapters.errors import AdapterFileError
from query_adapters.remote.adapter_files import FOLDERS, NAMES, OLD_WEIGHTS, WEIGHTS, adapter_files
from query_adapters.remote.cache import cached
from query_adapters.remote.objects import reaching
from query_adapters.remote.records import digests, version_of
from query_adapters.text.shown import quoted

SCHEME = "mlflow:"
IN_MLFLOW = re.compile(r"mlflow:/models:/([^/@]+)(?:/(\d+)|@([^/@]+))((?:/[^/@]+)*)")
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter for an alias
MOST_NAMES = 5


@dataclass(frozen=True)
class MlflowModel:
    """A version of a registered model, or what an alias names.

    Attributes:
        name: The registered model's name.
        number: The version's number; None if an alias is given.
        alias: The alias, or None.
        path: The folder among the artifacts, such as `/adapter`; empty for all of them.
    """

    name: str
    number: str | None
    alias: str | None
    path: str

    @classmethod
    def at(cls, uri: str) -> "MlflowModel":
        """Return what the URI names.

        Raises:
            ValueError: If it is not complete.
            MissingExtraError: If the extra `mlflow` is not installed.
        """
        found = IN_MLFLOW.fullmatch(uri)
        if found is None or ".." in found[4].split("/"):
            raise ValueError(
                "expected mlflow:/models:/<name>/<version> or mlflow:/models:/<name>@<alias>, got "
                f"{uri[:200]!r}; add what is missing, such as @production"
            )
        require_extra("mlflow")
        return cls(*found.groups())

    def version(self) -> str:
        """Return the number of the version that it names now, and when that was made.

        Raises:
            FileNotFoundError: If there is no such model, version or alias.
            RegistryError: If the server cannot be reached or read.
        """
        from mlflow import MlflowClient

        uri = self._uri(self.number)
        with reaching(f"{SCHEME}/{uri}"), _missing(uri):
            client = MlflowClient()
            if self.number is None:
                found = client.get_model_version_by_alias(self.name, self.alias)
            else:
                found = client.get_model_version(self.name, self.number)
        return f"{found.version} {found.creation_timestamp}"

    def folder(self, version: str) -> Path:
        """Return a folder with the adapter's files of a version that `version` has returned.

        Raises:
            AdapterFileError: If the version holds no adapter.
            RegistryError: If the server or its store of artifacts cannot be reached or read.
        """
        from mlflow.artifacts import download_artifacts

        uri = self._uri(version.partition(" ")[0])
        with reaching(f"{SCHEME}/{uri}"), TemporaryDirectory() as folder:
            for name in _names(uri):
                download_artifacts(f"{uri}/{name}", dst_path=folder)
            contents = adapter_files(Path(folder) / self.path.strip("/"))
        return cached(version_of(digests(contents)), lambda: contents)

    def _uri(self, number: str | None) -> str:
        """Return MLflow's own URI."""
        reference = f"@{self.alias}" if number is None else f"/{number}"
        return f"models:/{self.name}{reference}{self.path}"


def _names(uri: str) -> list[str]:
    """Return the names of the adapter's files and folders among the artifacts."""
    from mlflow.artifacts import list_artifacts

    names = {one.path.rpartition("/")[2] for one in list_artifacts(uri)}
    if not names & {WEIGHTS, OLD_WEIGHTS}:
        shown = ", ".join(quoted(name) for name in sorted(names)[:MOST_NAMES]) or "nothing"
        raise AdapterFileError(
            f"{SCHEME}/{uri}: expected {WEIGHTS} among the artifacts, got {shown}; register "
            "the folder that an adapter was saved in"
        )
    return sorted(names & {*NAMES, *FOLDERS})


@contextmanager
def _missing(uri: str) -> Iterator[None]:
    """Raise a FileNotFoundError where MLflow says that there is no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as exc:
        if exc.error_code not in MISSING:
            raise
        raise FileNotFoundError(
            f"{SCHEME}/{uri}: expected a registered version, got: {exc.message}; register it, or "
            "set the alias"
        ) from exc
