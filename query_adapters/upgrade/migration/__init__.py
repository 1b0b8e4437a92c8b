"""Search an old and a new index together while the new one fills."""

from query_adapters.upgrade.migration.progress import MigrationProgress

__all__ = ["MigrationProgress"]
