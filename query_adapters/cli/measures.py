"""Commands that measure: `evaluate` and `compare`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from query_adapters._extras import require_extra
from query_adapters.cli import output
from query_adapters.cli.adapters import Similarity
from query_adapters.cli.config import Config
from query_adapters.cli.inputs import adapter_for, cache_at, dataset_at
from query_adapters.cli.options import (
    Adapter,
    Cache,
    Corpus,
    Dataset,
    Dimensions,
    Json,
    Metrics,
    Model,
    Progress,
    Split,
    shows,
)
from query_adapters.embedders import resolve_embedder
from query_adapters.evaluation import DEFAULT_METRICS, evaluate_vectors
from query_adapters.vectors import embed_dataset


def evaluate(
    dataset: Dataset,
    model: Model,
    adapter: Annotated[
        Path | None,
        typer.Option("--adapter", "-a", help="Adapter folder.", exists=True, file_okay=False),
    ] = None,
    split: Split = None,
    corpus: Corpus = None,
    dimensions: Dimensions = None,
    metric: Metrics = list(DEFAULT_METRICS),  # noqa: B006 (Typer reads it, nothing changes it)
    similarity: Annotated[
        Similarity, typer.Option(help="What the search ranks by.")
    ] = Similarity.COSINE,
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Measure retrieval: the base model alone, or with an adapter.

    Search is exact, over all documents of the dataset; of a BEIR folder, the split `test`.

    Example:  query-adapters evaluate data -m cohere:embed-v4.0 -a my_adapter
    """
    texts = dataset_at(dataset, split, corpus, default="test")
    embedder = resolve_embedder(model, dimensions=dimensions)
    learned = None if adapter is None else adapter_for(embedder, adapter)
    embedded = embed_dataset(
        texts,
        embedder,
        cache=cache_at(cache, adapter=adapter),
        dim=None if learned is None else learned.dim_in,
        show_progress=shows(progress),
    )
    measured = evaluate_vectors(embedded, learned, metrics=metric, similarity=similarity.value)
    if as_json:
        return output.show_json({"queries": len(texts.queries), "means": measured.means})
    output.show(str(measured))


def compare(
    dataset: Dataset,
    model: Model,
    adapter: Adapter,
    split: Split = None,
    corpus: Corpus = None,
    dimensions: Dimensions = None,
    metric: Metrics = list(DEFAULT_METRICS),  # noqa: B006 (Typer reads it, nothing changes it)
    similarity: Annotated[
        Similarity, typer.Option(help="What the search ranks by.")
    ] = Similarity.COSINE,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Compare base and adapter on the same questions, with 95 % intervals of the difference.

    Search is exact, over all documents of the dataset; of a BEIR folder, the split `test`.

    Example:  query-adapters compare data -m cohere:embed-v4.0 -a my_adapter
    """
    require_extra("train")
    from query_adapters.evaluation.comparison import compare as compared
    from query_adapters.evaluation.report import comparison_table

    texts = dataset_at(dataset, split, corpus, default="test")
    embedder = resolve_embedder(model, dimensions=dimensions)
    learned = adapter_for(embedder, adapter)
    embedded = embed_dataset(
        texts,
        embedder,
        cache=cache_at(cache, adapter=adapter),
        dim=learned.dim_in,
        show_progress=shows(progress),
    )
    systems = [
        evaluate_vectors(embedded, system, metrics=metric, similarity=similarity.value)
        for system in (None, learned)
    ]
    comparison = compared(*systems, seed=seed)
    if as_json:
        rows = {name: asdict(row) for name, row in comparison.items()}
        return output.show_json({"queries": len(texts.queries), "metrics": rows})
    title = f"{len(texts.queries)} questions, {len(texts.corpus)} documents"
    output.show(comparison_table(comparison, title=title))
