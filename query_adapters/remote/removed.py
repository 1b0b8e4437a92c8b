"""The error about an alias that is no more, which tells it from a store that is down."""


class AliasRemovedError(FileNotFoundError):
    """Raised when an alias was removed: the registry answers, and its history says so."""
