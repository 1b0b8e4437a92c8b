"""Every error this package raises on purpose.

    QueryAdaptersError
    ├── MissingExtraError            (ImportError)   an optional dependency is not installed
    ├── InvalidDatasetError          (ValueError)    texts or judgements that do not fit together
    │   └── LeakageError                             training questions among the validation ones
    ├── InvalidVectorsError          (ValueError)    NaN, infinite or wrongly shaped vectors
    │   └── DimensionMismatchError                   vectors of another length than expected
    ├── UnreadableStoreError         (TypeError)     a store that cannot give its vectors back
    ├── AdapterMismatchError         (ValueError)    an adapter on a model it was not trained for
    ├── AdapterFileError             (ValueError)    an adapter folder that is not safe to load
    ├── ProviderRefusedError         (PermissionError) a provider that does not take the key
    ├── GenerationError              (RuntimeError)  a language model that gives no usable answer
    ├── UnknownModelError            (ValueError)    a model name that stands for no model
    ├── ProviderError                (RuntimeError)  a provider that fails, or has no key
    │   └── MissingKeyError                          no key for it in the environment
    ├── UnknownMetricError           (KeyError)      a metric name that nobody has defined
    └── NotFinetunedError            (RuntimeError)  a result asked for before `finetune()`

Each error is also the builtin that a caller would expect, so that
`except ValueError` catches a bad dataset and `except ImportError` a missing extra.
"""


class QueryAdaptersError(Exception):
    """Base of every error raised on purpose by this package."""


class MissingExtraError(QueryAdaptersError, ImportError):
    """An optional dependency is not installed; the message holds the pip line.

    Attributes:
        module: The module that could not be found.
        extra: The extra of this distribution that installs it.
    """

    def __init__(self, module: str, extra: str) -> None:
        self.module = module
        self.extra = extra
        super().__init__(
            f"{module!r} is not installed. Install it with: "
            f"pip install 'llama-index-finetune-plugin[{extra}]'"
        )


class InvalidDatasetError(QueryAdaptersError, ValueError):
    """The texts or judgements of a dataset do not fit together."""


class LeakageError(InvalidDatasetError):
    """Questions of the training set stand in the validation set as well."""


class InvalidVectorsError(QueryAdaptersError, ValueError):
    """Vectors that are not finite or not of the expected shape."""


class DimensionMismatchError(InvalidVectorsError):
    """Vectors whose length is not the expected one.

    Attributes:
        expected: The expected length.
        actual: The length found.
    """

    def __init__(self, what: str, *, expected: int, actual: int, remedy: str) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"{what}: expected {expected} dimensions, got {actual}; {remedy}")


class UnreadableStoreError(QueryAdaptersError, TypeError):
    """A store, or a thing that is none, whose vectors cannot be read back.

    Attributes:
        store: Name of its class.
    """

    def __init__(self, store: str, *, expected: str, remedy: str) -> None:
        self.store = store
        super().__init__(f"index: expected {expected}, got {store}; {remedy}")


class AdapterMismatchError(QueryAdaptersError, ValueError):
    """An adapter was put on an embedding model that it was not trained for."""


class AdapterFileError(QueryAdaptersError, ValueError):
    """An adapter folder is incomplete, altered, of an unknown format, or holds a pickle."""


class ProviderRefusedError(QueryAdaptersError, PermissionError):
    """The provider of an embedding model does not take the key, or not for this model.

    Attributes:
        status: The HTTP status, 401 or 403.
    """

    def __init__(self, model_name: str, status: int) -> None:
        self.status = status
        super().__init__(
            f"the provider of {model_name!r} refused the key (HTTP {status}); expected one that is "
            "valid for this model: check the key and the address that the embedding model was "
            "made with, and what the account may use; its own words are this error's cause"
        )


class GenerationError(QueryAdaptersError, RuntimeError):
    """A language model refuses to be asked, or gives no usable answer."""


class UnknownModelError(QueryAdaptersError, ValueError):
    """A model name whose provider is unknown, or under which there is no model."""


class ProviderError(QueryAdaptersError, RuntimeError):
    """A provider of models does not do what is asked of it, or gives no answer."""


class MissingKeyError(ProviderError):
    """The environment holds no key for a provider; nothing has been sent to it."""


class UnknownMetricError(QueryAdaptersError, KeyError):
    """A metric name that is not registered; the message lists those that are."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotFinetunedError(QueryAdaptersError, RuntimeError):
    """A result was asked for before there is one."""
