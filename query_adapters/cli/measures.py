"""Commands that measure: `evaluate`, `compare` and `report`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from query_adapters._extras import require_extra
from query_adapters.adapters.storage import read_adapter
from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.inputs import adapter_for, cache_at, dataset_at
from query_adapters.cli.options import (
    Adapters,
    BootstrapSeed,
    Cache,
    Corpus,
    Dataset,
    Dimensions,
    Json,
    Metrics,
    Model,
    OtherModels,
    Progress,
    Ranking,
    Similarity,
    Split,
    shows,
)
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.embedders import TextEmbedder, resolve_embedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.evaluation import DEFAULT_METRICS, Metric, evaluate_vectors
from query_adapters.evaluation import Similarity as Ranked

if TYPE_CHECKING:  # it needs scipy
    from query_adapters.evaluation.comparison import Comparison

BASE = "base"


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
    similarity: Ranking = Similarity.COSINE,
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Evaluate the base model, or an adapter on it.

    Search is exact, over all documents of the dataset; of a BEIR folder, the split `test`.

    Example:  query-adapters evaluate data -m cohere:embed-v4.0 -a my_adapter
    """
    _check_metrics(metric)
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
    adapter: Adapters,
    other_model: OtherModels = None,
    split: Split = None,
    corpus: Corpus = None,
    dimensions: Dimensions = None,
    metric: Metrics = list(DEFAULT_METRICS),  # noqa: B006 (Typer reads it, nothing changes it)
    similarity: Ranking = Similarity.COSINE,
    seed: BootstrapSeed = 0,
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Compare base, adapters and other models on the same questions, with intervals and tests.

    Search is exact, over all documents of the dataset; of a BEIR folder, the split `test`.

    Example:  query-adapters compare data -m cohere:embed-v4.0 -a my_adapter
    """
    _check_metrics(metric)
    texts = dataset_at(dataset, split, corpus, default="test")
    comparison = _compared(
        texts,
        str(dataset),
        resolve_embedder(model, dimensions=dimensions),
        adapter,
        others=other_model or (),
        cache=cache_at(cache, adapter=adapter[0]),
        metrics=metric,
        similarity=similarity.value,
        seed=seed,
        show_progress=shows(progress),
    )
    if as_json:
        return output.show_json({"documents": len(texts.corpus), **comparison.to_dict()})
    from query_adapters.evaluation.terminal_report import systems_table

    title = f"{len(texts.queries)} questions, {len(texts.corpus)} documents"
    output.show(systems_table(comparison, title=title))


def report(
    dataset: Dataset,
    model: Model,
    adapter: Adapters,
    output_path: Annotated[
        Path, typer.Option("--output", "-o", help="HTML file to write.", dir_okay=False)
    ],
    other_model: OtherModels = None,
    split: Split = None,
    corpus: Corpus = None,
    dimensions: Dimensions = None,
    metric: Metrics = list(DEFAULT_METRICS),  # noqa: B006 (Typer reads it, nothing changes it)
    similarity: Ranking = Similarity.COSINE,
    seed: BootstrapSeed = 0,
    title: Annotated[str, typer.Option(help="Of the page.")] = "Retrieval report",
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Write the results of `compare` as one HTML page, with every gain and loss by question.

    With one adapter, the page also shows how it was trained and chosen.

    Example:  query-adapters report data -m cohere:embed-v4.0 -a my_adapter -o r.html
    """
    from query_adapters.evaluation.html_report import write_html

    output_path.parent.mkdir(parents=True, exist_ok=True)
    _check_metrics(metric)
    texts = dataset_at(dataset, split, corpus, default="test")
    comparison = _compared(
        texts,
        str(dataset),
        resolve_embedder(model, dimensions=dimensions),
        adapter,
        others=other_model or (),
        cache=cache_at(cache, adapter=adapter[0]),
        metrics=metric,
        similarity=similarity.value,
        seed=seed,
        show_progress=shows(progress),
    )
    training = read_adapter(adapter[0]).record.training if len(adapter) == 1 else {}
    written = write_html(comparison, output_path, training=training or None, title=title)
    if as_json:
        return output.show_json({"output": str(written), "queries": comparison.n_queries})
    output.show(f"written to {written}")


def _compared(
    texts: RetrievalDataset,
    dataset: str,
    embedder: TextEmbedder,
    folders: Sequence[Path],
    *,
    others: Sequence[str],
    cache: EmbeddingCache,
    metrics: Sequence[str],
    similarity: Ranked,
    seed: int,
    show_progress: bool,
) -> "Comparison":
    """Return the comparison of the base, the adapters and other models."""
    require_extra("train")
    from query_adapters.evaluation.comparison import compare_systems

    _check_distinct([BASE, *map(str, folders), *others])
    learned = {str(folder): adapter_for(embedder, folder) for folder in folders}
    embedders = {name: resolve_embedder(name) for name in others}

    embed = partial(embed_dataset, texts, cache=cache, show_progress=show_progress)
    measure = partial(evaluate_vectors, metrics=metrics, similarity=similarity, texts=texts)
    own = embed(embedder, dim=learned[str(folders[0])].dim_in)
    evaluations = {BASE: measure(own)}
    evaluations |= {name: measure(own, adapter) for name, adapter in learned.items()}
    evaluations |= {name: measure(embed(model)) for name, model in embedders.items()}
    about = {"embedding_model": embedder.model_name, "dataset": dataset, "similarity": similarity}
    return compare_systems(evaluations, baseline=BASE, dataset=texts, about=about, seed=seed)


def _check_metrics(names: Sequence[str]) -> None:
    """Check the metrics before any text is embedded."""
    for name in names:
        Metric.parse(name)


def _check_distinct(names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise typer.BadParameter(
            f"adapters and other models must differ, and none may be named {BASE!r}"
        )
