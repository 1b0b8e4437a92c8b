"""How far a migration is."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MigrationProgress:
    """How many documents are in the new index, and how many in the old one alone.

    Attributes:
        n_migrated: Documents of the new index, those among them that the old one never had.
        n_pending: Documents that are in the old index alone.
    """

    n_migrated: int
    n_pending: int

    @property
    def n_total(self) -> int:
        """Documents of both indexes, each counted once."""
        return self.n_migrated + self.n_pending

    @property
    def share(self) -> float:
        """Share of all documents that are in the new index, 0..1; 1 if there are none."""
        return self.n_migrated / self.n_total if self.n_total else 1.0

    @property
    def is_complete(self) -> bool:
        """Whether the old index is no longer needed."""
        return self.n_pending == 0

    def __str__(self) -> str:
        done = f"{self.n_migrated:,} of {self.n_total:,} documents migrated ({self.share:.1%})"
        if self.is_complete:
            return f"{done}: search the new index alone, and delete the old one."
        return f"{done}, {self.n_pending:,} to embed."
