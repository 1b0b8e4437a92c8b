"""Objects that are created once and never changed, in a local folder or a store of fsspec.

Creating an object fails if it is there already, and nobody sees a part of it. Everything that a
registry promises rests on this: a local folder has it by hard links, object stores have it by
conditional writes (`If-None-Match: *`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from query_adapters.errors import QueryAdaptersError, RegistryError
from query_adapters.providers.redaction import redacted
from query_adapters.text.shown import shortened


class Objects(ABC):
    """The objects of one registry, by keys such as `adapters/faq/versions/….json`.

    Attributes:
        url: Where they lie, without credentials.
    """

    url: str

    @abstractmethod
    def create(self, key: str, content: bytes) -> None:
        """Create the object, whole or not at all.

        Raises:
            FileExistsError: If it exists.
        """

    @abstractmethod
    def read(self, keys: Sequence[str]) -> list[bytes]:
        """Return the content of the objects, in their order.

        Raises:
            FileNotFoundError: If one does not exist.
        """

    @abstractmethod
    def keys(self, folder: str) -> list[str]:
        """Return the sorted keys of all objects in the folder and below."""

    @abstractmethod
    def folders(self, folder: str) -> list[str]:
        """Return the sorted names of the folders in the folder."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove an object, or all objects of a folder; one that is gone is no error."""


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Raise a RegistryError for whatever a store raises, but for missing and existing objects."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, QueryAdaptersError):
        raise
    except Exception as exc:  # each store has errors of its own
        reason = shortened(redacted(f"{type(exc).__name__}: {exc}"))
        raise RegistryError(
            f"{url}: expected the registry's store to answer, got {reason}; check the address, the "
            "credentials and the network"
        ) from exc
