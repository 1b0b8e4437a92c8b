"""Documents embedded by both models, which an upgrade saves for a gradual migration."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_adapters.adapters.storage import Attachment, SavedAdapter
from query_adapters.arrays import check_finite
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.question_counts import are_even
from query_adapters.errors import AdapterFileError
from query_adapters.files.json_types import is_count, texts_of
from query_adapters.text.shown import quoted
from query_adapters.typing import Vectors
from query_adapters.upgrade.plan import MIN_TEXTS

NAME = "migration"
MAX_DOCUMENTS = 1_000  # 3 MB with 384 dimensions each; every question is compared with all
FEWEST = 20  # documents; the counts of fewer may be even by chance
MAX_ASKED = 1 << 53  # questions about a document; floats count further ones wrongly


@dataclass(frozen=True, eq=False)
class MigrationSample:
    """A random sample of documents in the spaces of both models.

    Attributes:
        ids: Their ids.
        new: Their vectors by the new model, `(n, dim_in)`.
        old: Their stored vectors, `(n, dim_out)`.
        asked: Number of labelled questions by the id of the document that answers them; empty if
            they are spread as evenly as generated ones.
    """

    ids: tuple[str, ...]
    new: Vectors
    old: Vectors
    asked: Mapping[str, int]

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        new: Vectors,
        old: Vectors,
        *,
        questions: RetrievalDataset | None,
        seed: int,
    ) -> "MigrationSample":
        """Return a sample of at most 1,000 of the documents, with the demand of the questions.

        Args:
            ids: Ids of documents.
            new: Their vectors by the new model, `(len(ids), dim_in)`.
            old: Their stored vectors, `(len(ids), dim_out)`.
            questions: Labelled questions; None without any.
            seed: Of the sample.
        """
        rows = np.sort(np.random.default_rng(seed).permutation(len(ids))[:MAX_DOCUMENTS])
        return cls(tuple(ids[row] for row in rows), new[rows], old[rows], _demand(questions))

    def saved_with(self, saved: SavedAdapter) -> SavedAdapter:
        """Return the adapter with the sample attached."""
        attachment = Attachment(
            record={"ids": list(self.ids), "asked": dict(self.asked)},
            tensors={
                "new": np.asarray(self.new, dtype=np.float32),
                "old": np.asarray(self.old, dtype=np.float32),
            },
        )
        return replace(saved, attachments={**saved.attachments, NAME: attachment})


def sample_of(saved: SavedAdapter) -> MigrationSample:
    """Return the sample that was saved with a bridge.

    Raises:
        AdapterFileError: If there is none, or it does not fit the adapter.
    """
    if NAME not in saved.attachments:
        raise AdapterFileError(
            "expected a bridge with its sample of documents, got an adapter without; pass the "
            "folder of a ModelUpgradeEngine, and run it again if an older release saved it"
        )
    attachment = saved.attachments[NAME]
    try:
        sample = MigrationSample(
            ids=texts_of(attachment.record["ids"]),
            asked=_counts(attachment.record["asked"]),
            **_vectors(attachment.tensors),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AdapterFileError(f"the bridge's sample is incomplete: {error!r}; {AGAIN}") from error
    n, adapter = len(sample.ids), saved.adapter
    expected = ((n, adapter.dim_in), (n, adapter.dim_out))
    if len(set(sample.ids)) < n:
        raise AdapterFileError(f"the bridge's sample: expected each id once; {AGAIN}")
    if n < MIN_TEXTS or (sample.new.shape, sample.old.shape) != expected:
        raise AdapterFileError(
            f"the bridge's sample: expected at least {MIN_TEXTS} documents and vectors of shapes "
            f"{expected}, got {n} and {(sample.new.shape, sample.old.shape)}; {AGAIN}"
        )
    return sample


def _demand(questions: RetrievalDataset | None) -> Mapping[str, int]:
    """Return how often each document is asked for, as far as labels tell it."""
    labels = questions.qrels.values() if questions else ()
    asked = Counter(key for relevant in labels for key in relevant)
    repeats = asked.total() > len(asked) >= FEWEST
    return {} if repeats and are_even(asked.values()) else asked


def _vectors(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Vectors]:
    if tensors.keys() != {"new", "old"}:
        raise ValueError(f"expected the vectors new and old, got {sorted(tensors)}")
    for name, vectors in tensors.items():
        if vectors.dtype != np.float32:
            raise ValueError(f"expected float32 vectors, got {name} of {vectors.dtype}")
        check_finite(vectors, f"{name} vectors of the bridge's sample")
    return dict(tensors)


def _counts(asked: object) -> dict[str, int]:
    if isinstance(asked, dict) and all(is_count(n) and n <= MAX_ASKED for n in asked.values()):
        return asked
    raise TypeError(f"expected numbers of questions by id, got {quoted(asked)}")


AGAIN = "run the upgrade again"
