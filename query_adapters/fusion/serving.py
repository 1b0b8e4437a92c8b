"""The learned retriever on a live store: the steps that both integrations share."""

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from query_adapters.adapters.serving import check_fits
from query_adapters.errors import DimensionMismatchError, LexicalIndexWarning, UnreadableStoreError
from query_adapters.fusion.model import FusionModel, FusionQuery, RankedDocument
from query_adapters.fusion.storage import LEXICAL_FOLDER, SavedFusion, parts_of
from query_adapters.lexical import LexicalIndex
from query_adapters.stores import StoreReader
from query_adapters.stores.source import batches
from query_adapters.typing import Vectors

EXPLAINED = "fusion"
"""Key of a retrieved document's metadata that holds the parts of its score."""

BLOCK = 1_000  # texts read at once
Satisfying = Callable[[Sequence[str]], Collection[str]]
"""Returns those of some ids whose documents satisfy the filters of a search."""


@dataclass(frozen=True, kw_only=True)
class Refresh:
    """What a refresh changed in the lexical index.

    Attributes:
        updated: Number of documents that were added, or whose text had changed.
        deleted: Number of documents that are no longer in the store.
    """

    updated: int = 0
    deleted: int = 0


class ServedFusion:
    """A learned retriever on one store; it warns once where its lexical index is out of date.

    Args:
        fusion: The adapter with its scoring head, with or without its record.
        reader: Opens the store for reading its vectors.
        texts: Returns the embedded texts of some ids, by id; those without a text are left out.
        model_name: Name of the base model; None to skip its check.
        dim: Length of the base model's vectors; None if unknown.

    Attributes:
        model: What documents are scored with; `refresh` replaces it in one step.
        folder: Where `refresh` saves the lexical index; None to keep it in memory.

    Raises:
        AdapterMismatchError: If the adapter was trained on another model.
        DimensionMismatchError: If the adapter maps vectors of another length, or to another length
            than the stored one.
        InvalidVectorsError: If the store is empty.
        UnreadableStoreError: If vectors cannot be read back from the store.
        TypeError: If `fusion` is neither a FusionModel nor a SavedFusion.
    """

    def __init__(
        self,
        fusion: FusionModel | SavedFusion,
        *,
        reader: Callable[[], StoreReader],
        texts: Callable[[Sequence[str]], Mapping[str, str]],
        model_name: str | None,
        dim: int | None,
    ) -> None:
        self.model, saved = parts_of(fusion)
        check_fits(saved, model_name=model_name, dim=dim)
        self.folder: Path | None = None
        self._reader, self._texts = reader, texts
        self._warned: set[str] = set()
        self._check_store()

    def ranked(
        self, query: FusionQuery, nearest: Sequence[str], *, satisfying: Satisfying | None = None
    ) -> list[RankedDocument]:
        """Return the documents near the query and those of its exact words and votes, best first.

        Every one is scored by its stored vector. Ids that the store lacks are left out.

        Args:
            query: The question, from `model.prepared`.
            nearest: Ids that the store returns for its vector, under the filters of the search.
            satisfying: Applies those filters to the other documents; None without filters.
        """
        ids, vectors = self._stored([*nearest, *query.ids])
        self._note_gone(query, ids)
        if satisfying is not None:
            ids, vectors = _kept(ids, vectors, nearest, satisfying)
        return self.model.ranked(query, ids, vectors, texts_of=self._new_texts)

    def note_changed(self, texts: Mapping[str, str]) -> None:
        """Warn once if the lexical index holds other texts of these documents, given by id."""
        lexical = self.model.lexical
        if not self.model.head.needs_text or lexical is None or "texts changed" in self._warned:
            return
        known = [key for key in texts if key in lexical]
        changed = lexical.outdated(known, [texts[key] for key in known])
        self._warn("texts changed", changed, "holds other texts than the store")

    def refresh(self) -> Refresh:
        """Bring the lexical index up to date with the store's texts, and return what changed.

        Reads all ids and texts, in blocks; unchanged texts are not tokenized again. Nothing is read
        where exact words have no weight.

        Raises:
            UnreadableStoreError: If the store returns no texts.
            InvalidVectorsError: If the store is empty.
        """
        lexical = self.model.lexical
        if lexical is None:
            return Refresh()
        reader = self._reader()
        ids = list(dict.fromkeys(key for keys, _ in reader.blocks() for key in keys))
        blocks = _TextBlocks(lexical, ids, self._texts)
        deleted = set(lexical.ids) - set(ids)
        updated = lexical.updated(blocks, deleted=deleted)
        if not blocks.n_texts:
            raise _without_texts(reader.name)
        self._replace(updated)
        return Refresh(updated=blocks.n_changed, deleted=len(deleted))

    def _replace(self, lexical: LexicalIndex) -> None:
        if self.folder is not None:
            lexical.save(self.folder / LEXICAL_FOLDER)
        self.model = replace(self.model, lexical=lexical)
        self._warned.clear()

    def _stored(self, wanted: Sequence[str]) -> tuple[list[str], Vectors]:
        """Return those of the ids that the store holds, in their order, with their vectors."""
        blocks = list(self._reader().blocks(list(dict.fromkeys(wanted))))
        if not blocks:
            return [], np.empty((0, self.model.adapter.dim_out), dtype=np.float32)
        vectors = np.concatenate([block for _, block in blocks])
        rows = {key: row for row, key in enumerate(key for keys, _ in blocks for key in keys)}
        ids = [key for key in dict.fromkeys(wanted) if key in rows]
        return ids, vectors[[rows[key] for key in ids]]

    def _note_gone(self, query: FusionQuery, stored: Sequence[str]) -> None:
        if query.match is not None:
            gone = set(query.ids).difference(stored) & query.match.rows.keys()
            self._warn("documents gone", gone, "holds documents that the store no longer has")

    def _new_texts(self, ids: Sequence[str]) -> list[str]:
        self._warn("documents new", ids, "lacks documents, which are scored by their own texts")
        texts = self._texts(ids)
        return [texts.get(key, "") for key in ids]

    def _warn(self, kind: str, ids: Collection[str], what: str) -> None:
        """Warn that this is true of the ids, unless there are none or it was said before."""
        if not ids or kind in self._warned:
            return
        self._warned.add(kind)
        warnings.warn(
            f"the lexical index {what}, such as {min(ids)!r}; call the retriever's refresh()",
            LexicalIndexWarning,
            stacklevel=2,
        )

    def _check_store(self) -> None:
        """Check that vectors can be read by id and have the length of adapted queries."""
        reader = self._reader()
        known = [key for keys in self.model.answers for key in keys][:1]
        rows = next(reader.blocks(known), None) or next(reader.blocks(batch_size=1))
        expected, actual = self.model.adapter.dim_out, rows[1].shape[1]
        if actual != expected:
            raise DimensionMismatchError(
                f"{reader.name}: stored vectors",
                expected=expected,
                actual=actual,
                remedy="serve the index that the retriever was trained on",
            )


class _TextBlocks:
    """Blocks of the ids and texts that are new or have changed; they can be read once.

    Attributes:
        n_changed: Number of them, after reading.
        n_texts: Number of ids that have a text, after reading.
    """

    def __init__(
        self,
        lexical: LexicalIndex,
        ids: Sequence[str],
        texts: Callable[[Sequence[str]], Mapping[str, str]],
    ) -> None:
        self.n_changed = self.n_texts = 0
        self._lexical, self._ids, self._texts = lexical, ids, texts

    def __iter__(self) -> Iterator[tuple[list[str], list[str]]]:
        for keys in batches(self._ids, BLOCK):
            texts = self._texts(keys)
            self.n_texts += len(texts)
            changed = self._lexical.outdated(keys, [texts.get(key, "") for key in keys])
            self.n_changed += len(changed)
            yield changed, [texts.get(key, "") for key in changed]


def checked_top_k(k: int) -> int:
    """Return the number of documents to retrieve.

    Raises:
        ValueError: If it is below 1.
    """
    if k < 1:
        raise ValueError(f"number of documents to retrieve: expected at least 1, got {k}; raise it")
    return k


def _kept(
    ids: Sequence[str], vectors: Vectors, nearest: Sequence[str], satisfying: Satisfying
) -> tuple[list[str], Vectors]:
    """Return the nearest documents, and those of the others that satisfy the filters."""
    found = set(nearest)
    others = [key for key in ids if key not in found]
    kept = found.union(satisfying(others)) if others else found
    rows = [row for row, key in enumerate(ids) if key in kept]
    return [ids[row] for row in rows], vectors[rows]


def _without_texts(store: str) -> UnreadableStoreError:
    return UnreadableStoreError(
        store,
        expected="a store that returns its texts by id",
        remedy="keep the texts in the index, or train again with the dataset's texts",
    )
