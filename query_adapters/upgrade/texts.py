"""The sampled documents of an index: their texts, and their vectors by the new model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.errors import InvalidDatasetError
from query_adapters.stores import LiveIndex, StoredVectors
from query_adapters.stores.source import batches
from query_adapters.typing import Vectors
from query_adapters.upgrade.plan import MIN_TEXTS

TEXTS_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """Sampled documents, embedded with the new model.

    Attributes:
        ids: Their ids.
        texts: Their texts.
        vectors: Their vectors, `(len(ids), dim)`.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: Vectors

    @property
    def once(self) -> list[int]:
        """Places of texts that differ."""
        return list({text: place for place, text in enumerate(self.texts)}.values())


def drawn(stored: StoredVectors, labelled: Sequence[str], n_texts: int, seed: int) -> list[str]:
    """Return the labelled ids, which are always sampled, and a random sample of the others.

    Args:
        stored: The index.
        labelled: Ids of labelled documents.
        n_texts: The most others, at least 1.
        seed: Of the sample.

    Raises:
        ValueError: If `n_texts` is below 1.
    """
    if n_texts < 1:
        raise ValueError(f"n_texts: expected at least 1, got {n_texts}")
    known = frozenset(labelled)
    others = [key for key in stored.ids if key not in known]
    if len(others) > n_texts:
        rows = np.random.default_rng(seed).choice(len(others), n_texts, replace=False)
        others = [others[row] for row in sorted(rows)]
    return [*labelled, *others]


def texts_of(
    index: LiveIndex, ids: Sequence[str], given: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the texts of those ids that have one, from the user or from the store.

    Raises:
        InvalidDatasetError: If fewer than 40 of them differ.
    """
    found: dict[str, str] = {}
    if given is not None:
        found = {key: given[key] for key in ids if given.get(key)}
    else:
        for keys in batches(ids, TEXTS_AT_ONCE):
            texts = index.texts(keys)
            found |= {key: texts[key] for key in keys if texts.get(key)}
    n_different = len(set(found.values()))
    if n_different < MIN_TEXTS:
        raise InvalidDatasetError(
            f"{index.name}: expected at least {MIN_TEXTS} different texts of stored documents, got "
            f"{n_different}; pass more of them by id as texts={{...}}"
        )
    return found
