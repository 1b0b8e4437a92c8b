"""Every error that this package raises on purpose, each a builtin as well, and every warning.

QueryAdaptersError
├── MissingExtraError            (ImportError)      an optional dependency is not installed
├── InvalidDatasetError          (ValueError)       texts or judgements that do not fit together
│   └── LeakageError                                training questions in the validation set
├── InvalidVectorsError          (ValueError)       NaN, infinite or wrongly shaped vectors
│   └── DimensionMismatchError                      vectors of another length than expected
├── UnreadableStoreError         (TypeError)        a store that does not return its vectors
├── EmbeddingCacheError          (OSError)          a cache file that cannot be used
├── AdapterMismatchError         (ValueError)       an adapter on another model than its own
├── AdapterFileError             (ValueError)       an adapter folder that cannot be loaded
├── RegistryError                (OSError)          a registry that fails, or refuses a change
│   └── AliasMovedError                             an alias that another has moved first
├── LexicalIndexError            (ValueError)       a lexical index that cannot be loaded
├── ProviderRefusedError         (PermissionError)  a provider that rejects the API key
├── GenerationError              (RuntimeError)     a language model without a usable answer
├── UnknownModelError            (ValueError)       a model name that cannot be resolved
├── ProviderError                (RuntimeError)     a provider whose call fails
│   └── MissingKeyError                             no API key in the environment
├── UnknownMetricError           (KeyError)         a metric name that is not registered
├── WorkerDiedError              (RuntimeError)     worker processes of training that die
└── NotFinetunedError            (RuntimeError)     a result requested before `finetune()`

QueryAdaptersWarning             (UserWarning)
├── DatasetWarning                                  part of a dataset is lost or unused
├── EvaluationWarning                               a figure means less than it seems to
├── GenerationWarning                               chunks without generated questions
├── AdapterFileWarning                              files of an adapter folder that disagree
├── LexicalIndexWarning                             a lexical index that may be out of date
└── ObsoleteOptionWarning    (FutureWarning)        an option of the old package without effect
"""

from query_adapters.text.shown import ReadableMessage


class QueryAdaptersError(ReadableMessage, Exception):
    """Raised when this package refuses a call; the base of all its errors.

    Remedy: Read the message, which states what was expected, what was found and what to do.
    """


class MissingExtraError(QueryAdaptersError, ImportError):
    """Raised when an optional dependency, `module`, is not installed; `extra` installs it.

    Remedy: Run the pip command in the message.
    """

    def __init__(self, module: str, extra: str) -> None:
        self.module, self.extra = module, extra
        install = f"Install it with: pip install 'llama-index-finetune-plugin[{extra}]'"
        super().__init__(f"{module!r} is not installed. {install}")


class InvalidDatasetError(QueryAdaptersError, ValueError):
    """Raised when the queries, documents and judgements of a dataset do not fit together.

    Remedy: Correct or drop the query, document or row that the message names.
    """


class LeakageError(InvalidDatasetError):
    """Raised when questions of the training set are in the validation set as well.

    Remedy: Drop them from one of the two; `split_by_query` keeps near-duplicates on one side.
    """


class InvalidVectorsError(QueryAdaptersError, ValueError):
    """Raised when vectors are not finite or not of the expected shape.

    Remedy: Check the model or the store that returned them; embed the named documents again.
    """


class DimensionMismatchError(InvalidVectorsError):
    """Raised when vectors have another length, `actual`, than `expected`.

    Remedy: Use the embedding model, and its `dimensions`, of the adapter or the index.
    """

    def __init__(self, what: str, *, expected: int, actual: int, remedy: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"{what}: expected {expected} dimensions, got {actual}; {remedy}")


class UnreadableStoreError(QueryAdaptersError, TypeError):
    """Raised when vectors cannot be read back from a store of the class `store`, or it is none.

    Remedy: Pass what the message asks for, add a reader to `READERS`, or pass (ids, vectors).
    """

    def __init__(self, store: str, *, expected: str, remedy: str) -> None:
        self.store = store
        super().__init__(f"index: expected {expected}, got {store}; {remedy}")


class EmbeddingCacheError(QueryAdaptersError, OSError):
    """Raised when a cache file is damaged, locked, not writable or of another program.

    Remedy: Do what the message says, or name another file; finished batches are kept.
    """


class AdapterMismatchError(QueryAdaptersError, ValueError):
    """Raised when an adapter is used with an embedding model that it was not trained for.

    Remedy: Use the model that the message names, or `check_model=False` if it has another name.
    """


class AdapterFileError(QueryAdaptersError, ValueError):
    """Raised when an adapter folder is incomplete, altered, of an unknown format, or a pickle.

    Remedy: Save or copy the whole folder again; update the package if the message says so.
    """


class RegistryError(QueryAdaptersError, OSError):
    """Raised when a registry of adapters cannot be reached or read, or refuses a change.

    Remedy: Do what the message says; nothing was changed.
    """


class AliasMovedError(RegistryError):
    """Raised when another process has moved an alias meanwhile; its move stays.

    Remedy: Look at the registry's history, then move the alias again if it is still right.
    """


class LexicalIndexError(QueryAdaptersError, ValueError):
    """Raised when the folder of a lexical index is incomplete, altered or of an unknown format.

    Remedy: Build the index again, or update the package if the message says so.
    """


class ProviderRefusedError(QueryAdaptersError, PermissionError):
    """Raised when the provider of an embedding model rejects the API key; `status` is 401 or 403.

    Remedy: Check the key, the address of the embedding model, and what the account may use.
    """

    def __init__(self, model_name: str, status: int) -> None:
        self.status = status
        super().__init__(
            f"the provider of {model_name!r} refused the key (HTTP {status}); expected one that is "
            "valid: check the key, the model's address and the account; the cause has its message"
        )


class GenerationError(QueryAdaptersError, RuntimeError):
    """Raised when a language model refuses the calls, or none of its answers can be used.

    Remedy: Check what the message names; the next run resumes from the answers in the journal.
    """


class UnknownModelError(QueryAdaptersError, ValueError):
    """Raised when a model name has an unknown provider, or the provider has no such model.

    Remedy: Name the model as `<provider>/<model>`, with a provider from the message.
    """


class ProviderError(QueryAdaptersError, RuntimeError):
    """Raised when the call of a provider fails after the retries of its SDK.

    Remedy: Read the provider's message; run again later, which resumes from finished batches.
    """


class MissingKeyError(ProviderError):
    """Raised when the environment holds no API key for a provider; nothing has been sent.

    Remedy: Set the environment variable that the message names.
    """


class UnknownMetricError(QueryAdaptersError, KeyError):
    """Raised when a metric name is not registered, or has no cut-off.

    Remedy: Use a name in the message as `<name>@<k>`, or add a metric to `evaluation.METRICS`.
    """


class WorkerDiedError(QueryAdaptersError, RuntimeError):
    """Raised when worker processes of training die again and again, often for lack of memory.

    Remedy: Use a smaller `n_jobs`; with `n_jobs=1` no other process is started.
    """


class NotFinetunedError(QueryAdaptersError, RuntimeError):
    """Raised when a result or a model is requested before `finetune()` has run.

    Remedy: Call `finetune()` first, or load an adapter folder of an earlier run.
    """


class QueryAdaptersWarning(ReadableMessage, UserWarning):
    """Issued when a call succeeds, but differs from what was probably meant; the base class.

    Remedy: Read the message, which states what was found and what to do.
    """


class DatasetWarning(QueryAdaptersWarning):
    """Issued when part of a dataset is lost or unused, such as grades in a format without grades.

    Remedy: Use a format or a setting that keeps it, as the message says.
    """


class EvaluationWarning(QueryAdaptersWarning):
    """Issued when a figure means less than it seems to, such as nDCG@10 of a retriever of 4.

    Remedy: Change the retriever, the metric or the labels as the message says.
    """


class GenerationWarning(QueryAdaptersWarning):
    """Issued when some chunks have no generated question.

    Remedy: Run again to ask for the missing ones, or leave those chunks out.
    """


class AdapterFileWarning(QueryAdaptersWarning):
    """Issued when `adapter.json` differs from the record in the weights file, which is used.

    Remedy: Save the adapter again, and do not edit `adapter.json` by hand.
    """


class LexicalIndexWarning(QueryAdaptersWarning):
    """Issued when a lexical index may no longer fit, such as after an update of the stemmer.

    Remedy: Build the index again, or update it.
    """


class ObsoleteOptionWarning(QueryAdaptersWarning, FutureWarning):
    """Issued when an option is given that no longer has an effect.

    Remedy: Leave the option out; the message names what replaced it.
    """
