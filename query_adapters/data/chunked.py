"""Datasets whose labels are on units of the chunks that are searched."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, embed_questions, judged_rows
from query_adapters.data.formats import (
    CORPUS,
    beir_corpus,
    llama_index_corpus,
    read_beir,
    read_llama_index_json,
)
from query_adapters.data.lines import read_rows
from query_adapters.data.paths import id_of, load_dataset, read_texts
from query_adapters.data.readers.folders import DEFAULT
from query_adapters.data.readers.records import read_records
from query_adapters.data.readers.registry import whole_format
from query_adapters.data.readers.values import id_text
from query_adapters.data.readers.whole import BEIR, LLAMA_INDEX_QA
from query_adapters.data.splits import query_groups
from query_adapters.data.units import Units, read_units, unit_rule
from query_adapters.data.weights import query_weights
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import InvalidDatasetError
from query_adapters.text.shown import quoted
from query_adapters.typing import Texts, Vectors


@dataclass(frozen=True, eq=False)
class ChunkedDataset:
    """Questions with labels on units, and the chunks that are searched.

    Attributes:
        questions: Labels name units; its corpus holds the text of each, that of its chunks.
        chunks: Texts by id.
        units: The unit of each chunk.
    """

    questions: RetrievalDataset
    chunks: Texts
    units: Units


def load_chunked(
    source: str | Path,
    units: str | Path,
    *,
    split: str | None = None,
    corpus: str | Path | None = None,
) -> ChunkedDataset:
    """Return a dataset whose labels name units of its chunks.

    Args:
        source: A BEIR folder, a LlamaIndex QA file, or rows that name documents by id.
        units: A table of two columns, the id of a chunk and that of its unit (JSONL, CSV, TSV or
            Parquet); or a key of the chunks' metadata, for chunks in JSONL lines.
        split: As in `load_dataset`.
        corpus: File of the chunks (see `read_texts`), by default the documents of the source. A
            line may have a `metadata` object.

    Raises:
        FileNotFoundError: If a path does not exist.
        InvalidDatasetError: If labels name no unit, a chunk has no unit or several, or a part
            cannot be read.
    """
    source = Path(source)
    whole = whole_format(source, None)
    lines, chunks = _chunks(source, None if whole is None else whole.name, corpus)
    if not chunks:
        raise InvalidDatasetError(f"{lines or source}: expected chunks, got none; check the path")
    known = _units(units, lines, chunks)
    texts = _unit_texts(known, chunks)
    try:
        if whole is BEIR:
            questions = read_beir(source, split=split or DEFAULT, corpus=texts)
        elif whole is LLAMA_INDEX_QA:
            questions = read_llama_index_json(source, corpus=texts)
        else:
            questions = load_dataset(source, split=split, corpus=texts)
    except InvalidDatasetError as error:
        raise InvalidDatasetError(
            f"{error}; with units={str(units)!r}, documents are units such as {known.ids[0]!r}"
        ) from error
    return ChunkedDataset(questions, chunks, known)


def embed_chunked(
    dataset: ChunkedDataset,
    embedder: TextEmbedder,
    *,
    cache: EmbeddingCache,
    dim: int | None = None,
    show_progress: bool = False,
) -> EmbeddedDataset:
    """Return the vectors of questions and chunks; arguments and errors as in `embed_dataset`."""
    queries = embed_questions(
        dataset.questions, embedder, cache=cache, dim=dim, show_progress=show_progress
    )
    vectors = cache.embed_documents(
        embedder, list(dataset.chunks.values()), show_progress=show_progress
    )
    return over_units(dataset.questions, queries, vectors, dataset.units)


def over_units(
    questions: RetrievalDataset, queries: Vectors, documents: Vectors, units: Units
) -> EmbeddedDataset:
    """Return the vectors with the questions' labels on units of the documents."""
    return EmbeddedDataset(
        queries,
        documents,
        *judged_rows(questions, units.number_of),
        query_groups(questions),
        units.unit_of,
        weights=query_weights(questions),
    )


def _chunks(source: Path, name: str | None, corpus: str | Path | None) -> tuple[Path | None, Texts]:
    """Return the file of the chunks' lines, if there is one, and the chunks."""
    if corpus is not None:
        return Path(corpus), read_texts(corpus)
    if name == BEIR.name:
        return source / CORPUS, beir_corpus(source / CORPUS)
    if name == LLAMA_INDEX_QA.name:
        return None, llama_index_corpus(source)
    raise InvalidDatasetError(
        f"{source}: expected chunks by id for units, got a format without; give their file with "
        "corpus, JSONL with id and text"
    )


def _units(units: str | Path, lines: Path | None, chunks: Texts) -> Units:
    table = Path(units)
    if os.path.isfile(table):  # False, too, for a key that is no name of a file
        found = _read_table(table)
        missing = [key for key in chunks if key not in found]
        if missing:
            raise InvalidDatasetError(
                f"{table}: expected a unit for each of {len(chunks)} chunks, got none for "
                f"{len(missing)}, such as {missing[0]!r}; add a row for each"
            )
        return Units.of((found[key] for key in chunks), rule=table.name)
    if lines is None:
        raise InvalidDatasetError(
            f"units: expected a table of chunks and units, got {str(units)!r}, which is no file; "
            "LlamaIndex QA files have no metadata"
        )
    return _by_key(str(units), lines, chunks)


def _by_key(key: str, lines: Path, chunks: Texts) -> Units:
    """Return the units that the metadata of JSONL lines name; a key beside them counts too."""
    rule = unit_rule(key, {}, _with_metadata)
    if rule is None:
        return Units.of(chunks, rule=key)
    rows = {str(id_of(row)): row for _, row in read_rows(lines)}
    found = read_units([list(chunks)], lambda ids: rows, rule, name=str(lines))
    return Units.of((found[chunk] for chunk in chunks), rule=rule.kind)


def _with_metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    metadata = row.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise InvalidDatasetError(
            f"chunk {quoted(id_of(row))}: expected an object as its metadata, got "
            f"{quoted(metadata)}; correct or drop it"
        )
    return {**row, **metadata}


def _read_table(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for place, row in read_records(path):
        chunk, unit = _pair(row, place)
        if found.setdefault(chunk, unit) != unit:
            raise InvalidDatasetError(
                f"{place}: expected one unit for each chunk, got {found[chunk]!r} and {unit!r} for "
                f"{chunk!r}; drop one, because a chunk with two units could answer for either"
            )
    return found


def _pair(row: Mapping[str, Any], place: str) -> tuple[str, str]:
    cells = list(row.values())
    if len(cells) != 2:
        raise InvalidDatasetError(
            f"{place}: expected two columns, the id of a chunk and that of its unit, got "
            f"{quoted(dict(row))}; leave out other columns"
        )
    return id_text(cells[0], place), id_text(cells[1], place)


def _unit_texts(units: Units, chunks: Texts) -> dict[str, str]:
    """Return the texts of each unit's chunks, one under the other."""
    texts: dict[str, list[str]] = {unit: [] for unit in units.ids}
    for number, text in zip(units.unit_of.tolist(), chunks.values(), strict=True):
        texts[units.ids[number]].append(text)
    return {unit: "\n".join(parts) for unit, parts in texts.items()}
