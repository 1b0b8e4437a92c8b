"""The systems that are measured: base, adapters, learned retrievers, hybrids, other models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from query_adapters._extras import require_extra
from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.serving import check_fits
from query_adapters.adapters.storage import read_adapter
from query_adapters.cli.inputs import Searched
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.embedders import TextEmbedder, resolve_embedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.evaluation import Evaluation, Similarity, evaluate_vectors
from query_adapters.evaluation.explanation import RetrieverExplanation
from query_adapters.fusion import (
    SavedFusion,
    evaluate_fusion,
    evaluate_hybrids,
    explain_fusion,
    read_fusion,
)
from query_adapters.fusion.exact_retriever import lexical_of
from query_adapters.fusion.hybrids import HYBRIDS
from query_adapters.fusion.storage import has_fusion
from query_adapters.providers.redaction import without_credentials

if TYPE_CHECKING:  # it needs scipy
    from query_adapters.evaluation.comparison import Comparison

BASE, RETRIEVER = "base", "learned retriever"


@dataclass(frozen=True, kw_only=True, eq=False)
class Folder:
    """What a folder holds.

    Attributes:
        adapter: The adapter.
        retriever: The learned retriever; None without a scoring head.
    """

    adapter: QueryAdapter
    retriever: SavedFusion | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """A comparison, and what it was measured on.

    Attributes:
        comparison: The comparison of all systems.
        embedded: The dataset's vectors by the model of the adapters.
        retrievers: Learned retrievers by their name in the comparison, with the exact words of the
            dataset's documents.
    """

    comparison: "Comparison"
    embedded: EmbeddedDataset
    retrievers: Mapping[str, SavedFusion]


def read_folder(folder: Path, embedder: TextEmbedder, similarity: Similarity) -> Folder:
    """Return what the folder holds.

    Raises:
        AdapterFileError: If it does not hold a complete adapter.
        AdapterMismatchError: If the adapter was trained on another model.
        BadParameter: If the learned retriever ranks by another similarity.
    """
    saved = read_adapter(folder)
    check_fits(saved, model_name=embedder.model_name, dim=None)
    if not has_fusion(saved):
        return Folder(adapter=saved.adapter, retriever=None)
    retriever = read_fusion(folder)
    if retriever.model.similarity != similarity:
        raise typer.BadParameter(
            f"--similarity: expected {retriever.model.similarity}, which the learned retriever in "
            f"{folder} was trained for, got {similarity}"
        )
    return Folder(adapter=saved.adapter, retriever=retriever)


def compared(
    searched: Searched,
    dataset: str,
    embedder: TextEmbedder,
    folders: Sequence[Path],
    *,
    others: Sequence[str],
    cache: EmbeddingCache,
    metrics: Sequence[str],
    similarity: Similarity,
    seed: int,
    show_progress: bool,
) -> Measured:
    """Return the comparison of base, adapters, learned retrievers, hybrids and other models."""
    require_extra("train")
    from query_adapters.evaluation.comparison import compare_systems

    read = {str(path): read_folder(path, embedder, similarity) for path in dict.fromkeys(folders)}
    found = _retrievers(read)
    _check_distinct([*map(str, folders), *found, *(HYBRIDS if found else ()), *others])
    embedders = {name: resolve_embedder(name) for name in others}
    retrievers = {name: _with_words_of(searched, fusion) for name, fusion in found.items()}

    embed = partial(searched.embedded, cache=cache, show_progress=show_progress)
    own = embed(embedder, dim=read[str(folders[0])].adapter.dim_in)
    measure = partial(
        evaluate_vectors, metrics=metrics, similarity=similarity, texts=searched.texts
    )
    evaluations = {BASE: measure(own)}
    evaluations |= {name: measure(own, one.adapter) for name, one in read.items()}
    evaluations |= _learned(
        own,
        searched,
        retrievers,
        metrics=metrics,
        similarity=similarity,
        show_progress=show_progress,
    )
    evaluations |= {name: measure(embed(model)) for name, model in embedders.items()}
    about = {
        "embedding_model": without_credentials(embedder.model_name),
        "dataset": dataset,
        "similarity": similarity,
    }
    comparison = compare_systems(
        evaluations, baseline=BASE, dataset=searched.texts, about=about, seed=seed
    )
    return Measured(comparison=comparison, embedded=own, retrievers=retrievers)


def explained(
    measured: Measured, searched: Searched, query_id: str | None
) -> RetrieverExplanation | None:
    """Return the weights of the learned retriever and an example; None unless there is one.

    Args:
        measured: The comparison.
        searched: Its dataset.
        query_id: Id of the question to explain; None for the one that gains most.
    """
    if len(measured.retrievers) != 1:
        return None
    [(name, fusion)] = measured.retrievers.items()
    if query_id is None:
        gains = measured.comparison.gains(name, n=1)
        query_id = gains[0].query_id if gains else None
    return explain_fusion(
        measured.embedded,
        fusion,
        texts=searched.texts,
        chunks=searched.chunks,
        query_id=query_id,
    )


def _learned(
    own: EmbeddedDataset,
    searched: Searched,
    retrievers: Mapping[str, SavedFusion],
    *,
    metrics: Sequence[str],
    similarity: Similarity,
    show_progress: bool,
) -> dict[str, Evaluation]:
    """Return the evaluations of the learned retrievers and, if there are any, of the hybrids."""
    if not retrievers:
        return {}
    texts: dict[str, Any] = {"texts": searched.texts, "chunks": searched.chunks}
    learned = {
        name: evaluate_fusion(own, fusion, **texts, metrics=metrics, show_progress=show_progress)
        for name, fusion in retrievers.items()
    }
    indexes = (fusion.model.lexical for fusion in retrievers.values())
    known = next((index for index in indexes if index is not None), None)
    return learned | evaluate_hybrids(
        own, **texts, lexical=known, metrics=metrics, similarity=similarity
    )


def _retrievers(read: Mapping[str, Folder]) -> dict[str, SavedFusion]:
    """Return the learned retrievers by name, which has the folder if there are several.

    Raises:
        MissingExtraError: If there is one and the extra `hybrid` is not installed.
    """
    found = {name: one.retriever for name, one in read.items() if one.retriever is not None}
    if found:
        require_extra("hybrid")
    return {
        RETRIEVER if len(found) == 1 else f"{name}: {RETRIEVER}": fusion
        for name, fusion in found.items()
    }


def _with_words_of(searched: Searched, fusion: SavedFusion) -> SavedFusion:
    """Return the retriever with the exact words of the dataset's documents."""
    if not fusion.model.head.needs_text:
        return fusion
    lexical = lexical_of(searched.documents, fusion.model.lexical)
    return replace(fusion, model=replace(fusion.model, lexical=lexical))


def _check_distinct(names: Sequence[str]) -> None:
    if len({BASE, *names}) <= len(names):
        raise typer.BadParameter(
            f"adapters and other models must differ, and none may be named {BASE!r} or as another "
            "system of the comparison"
        )
