"""What both integrations' retrievers tell about a migration."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from query_adapters.upgrade.migration.progress import MigrationProgress
from query_adapters.upgrade.migration.serving import ServedMigration


class MigrationReport:
    """Mixin of a retriever that searches an old and a new index, with the state in `_served`."""

    if TYPE_CHECKING:  # pydantic would read it as a field of the mixin
        _served: ServedMigration

    @property
    def asked(self) -> Mapping[str, int]:
        """How often documents of the old index were asked for, by id.

        Labelled questions of the upgrade count, and every time that the retriever returned one from
        the old index. The 10,000 to 20,000 most frequent ids are kept.
        """
        return self._served.asked

    def progress(self) -> MigrationProgress:
        """Return how far the migration is; reads the old index."""
        return self._served.progress()

    def next_to_embed(self, n: int) -> list[str]:
        """Return the ids of at most `n` documents of the old index to embed next, in this order.

        First come documents that are likely to be asked for and that the bridge serves badly. Reads
        the old index.

        Args:
            n: Number of ids, at least 1.

        Raises:
            ValueError: If `n` is below 1.
        """
        return self._served.next_to_embed(n)

    def refresh(self) -> None:
        """Read the units of the new index again, with `units`, after entries of it were deleted."""
        self._served.refresh()
