"""Find the prefix that stored documents were embedded with, by embedding some of them again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from query_adapters.arrays import unit
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.prefixes import PRESETS, preset_of
from query_adapters.embedders.prepared import prefixes_of, with_prefix, without_prefixes
from query_adapters.errors import DimensionMismatchError
from query_adapters.typing import Vectors

EXPLAINED = 0.999  # median cosine; float16 and 8-bit quantization differ by less
MOST = 0.75  # share of the texts that another way has to explain better than the given one
ALIKE = 1e-6  # two cosines that differ by less are equal
AS_GIVEN, AS_QUERIES = "as this model embeds documents", "as this model embeds queries"
Encode = Callable[[Vectors], Vectors]
"""How a store changes the vectors that it gets, so that fresh ones can be compared with its own."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way in which documents may have been embedded.

    Attributes:
        name: What it is, in words.
        prefix: The prefix before each text; None where the model is used as it was given.
        embed: Embeds texts in this way.
    """

    name: str
    prefix: str | None
    embed: Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, kw_only=True)
class PrefixCheck:
    """What the stored documents were embedded with.

    Attributes:
        model_name: The model.
        n_texts: Documents that were embedded again in each way.
        cosines: Median cosine between stored vectors and fresh ones, by way, the best one first.
        found: The way that explains the stored vectors; None if none does.
        prefix: Its prefix; None if it is a role of the model as it was given, or none was found.
        expected: The prefix that models of this family expect before documents; None if the family
            is not known.
    """

    model_name: str
    n_texts: int
    cosines: dict[str, float]
    found: str | None
    prefix: str | None
    expected: str | None

    @property
    def is_right(self) -> bool:
        """Whether the model as it was given embeds documents as the stored ones were."""
        return self.found == AS_GIVEN

    def __str__(self) -> str:
        measured = ", ".join(f"{name} {cosine:.4f}" for name, cosine in self.cosines.items())
        said = f"median cosine of {self.n_texts} texts: {measured}"
        if self.is_right:
            return (
                f"{self.model_name}: the stored documents were embedded {AS_GIVEN} ({said})"
                f"{self._note}"
            )
        if self.found is None:
            return (
                f"{self.model_name}: no prefix explains the stored vectors ({said}); give the "
                "model that built the index, and the texts as they were embedded"
            )
        return f"{self.model_name}: {self.remedy} ({said})"

    @property
    def _note(self) -> str:
        """That the family expects a prefix, if the model embeds texts alike in both roles."""
        alike = abs(self.cosines[AS_GIVEN] - self.cosines.get(AS_QUERIES, 0)) <= ALIKE
        if not self.expected or not alike:
            return ""
        return f"; models of its family expect {self.expected!r} before documents"

    @property
    def remedy(self) -> str:
        """What differs from the model as it was given, and what to do about it."""
        if self.prefix is None:
            return (
                f"the stored documents were embedded {self.found}: embed them again as documents, "
                "or give a model whose document_prefix is the one of queries"
            )
        again = "" if self.expected in (None, self.prefix) else f", {self.expected!r} before each"
        return (
            f"the stored documents were embedded {self.found}, which this model does not do: give "
            f"it document_prefix={self.prefix!r} to use the index as it is, or embed the "
            f"documents again{again}"
        )


def ways_of(embedder: TextEmbedder, prefixes: Sequence[str] | None = None) -> list[Way]:
    """Return the ways in which the documents may have been embedded; the given one first."""
    bare = without_prefixes(embedder)
    tried = {prefixes_of(embedder).document}
    ways = [
        Way(name=AS_GIVEN, prefix=None, embed=embedder.embed_documents),
        Way(name=AS_QUERIES, prefix=None, embed=embedder.embed_queries),
    ]
    for prefix in ("", *(_prefixes_for(embedder.model_name) if prefixes is None else prefixes)):
        if prefix not in tried:
            tried.add(prefix)
            ways.append(Way(name=_named(prefix), prefix=prefix, embed=_with(bare, prefix)))
    return ways


def compared(
    stored: Vectors,
    texts: Sequence[str],
    embedder: TextEmbedder,
    ways: Sequence[Way],
    *,
    encode: Encode | None = None,
    known: Vectors | None = None,
) -> PrefixCheck:
    """Return which of the ways explains the stored vectors.

    Args:
        stored: Stored vectors of the texts, `(n_texts, dim)`.
        texts: The texts.
        embedder: The model.
        ways: The ways; the first one is the model as it was given.
        encode: How the store changes vectors; None if it does not.
        known: Vectors of the texts in the first way, if they have been embedded.

    Raises:
        DimensionMismatchError: If the stored vectors are longer than the model's.
    """
    fresh = [
        known if known is not None and row == 0 else way.embed(texts)
        for row, way in enumerate(ways)
    ]
    cosines = [
        np.nan_to_num(cosines_with(stored, vectors, embedder, encode), nan=-1.0)
        for vectors in fresh
    ]
    medians = [float(np.median(each)) for each in cosines]
    best = next(row for row, found in enumerate(medians) if found >= max(medians) - ALIKE)
    better = np.mean(cosines[best] > cosines[0] + ALIKE)
    best = best if better >= MOST else 0
    order = sorted(range(len(ways)), key=lambda row: (row != best, -medians[row]))
    is_found = medians[best] >= EXPLAINED
    preset = preset_of(embedder.model_name)
    return PrefixCheck(
        model_name=embedder.model_name,
        n_texts=len(texts),
        cosines={ways[row].name: medians[row] for row in order},
        found=ways[best].name if is_found else None,
        prefix=ways[best].prefix if is_found else None,
        expected=None if preset is None else preset.prefixes.document,
    )


def cosines_with(
    stored: Vectors, fresh: Vectors, embedder: TextEmbedder, encode: Encode | None
) -> Vectors:
    """Return the cosine of each stored vector with the fresh one, `(n_texts,)`.

    Of fresh vectors that are longer than the stored ones, the first numbers are compared.

    Raises:
        DimensionMismatchError: If the stored vectors are longer.
    """
    if fresh.shape[1] < stored.shape[1]:
        raise DimensionMismatchError(
            f"stored vectors, against those of {embedder.model_name}",
            expected=fresh.shape[1],
            actual=stored.shape[1],
            remedy="give the model that built the index",
        )
    shown = unit(fresh[:, : stored.shape[1]])
    cosines: Vectors = (unit(shown if encode is None else encode(shown)) * unit(stored)).sum(axis=1)
    return cosines


def _prefixes_for(model_name: str) -> list[str]:
    preset = preset_of(model_name)
    if preset is not None:
        return [preset.prefixes.document, preset.prefixes.query]
    return [each.prefixes.document for each in PRESETS]


def _named(prefix: str) -> str:
    return f"with the prefix {prefix!r}" if prefix else "without a prefix"


def _with(bare: TextEmbedder, prefix: str) -> Callable[[Sequence[str]], Any]:
    return lambda texts: bare.embed_documents(with_prefix(prefix, texts))
