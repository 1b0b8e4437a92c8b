"""Commands that measure: `evaluate`, `compare` and `report`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from query_adapters.adapters.storage import read_adapter
from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.inputs import cache_at, searched_at
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
    UnitsOption,
    shows,
)
from query_adapters.cli.systems import RETRIEVER, compared, explained, read_folder
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.embedders import resolve_embedder
from query_adapters.evaluation import DEFAULT_METRICS, Evaluation, Metric, evaluate_vectors
from query_adapters.fusion import evaluate_fusion
from query_adapters.fusion.storage import has_fusion


def evaluate(
    dataset: Dataset,
    model: Model,
    adapter: Annotated[
        Path | None,
        typer.Option("--adapter", "-a", help="Adapter folder.", exists=True, file_okay=False),
    ] = None,
    split: Split = None,
    corpus: Corpus = None,
    units: UnitsOption = None,
    dimensions: Dimensions = None,
    metric: Metrics = list(DEFAULT_METRICS),  # noqa: B006 (Typer reads it, nothing changes it)
    similarity: Ranking = Similarity.COSINE,
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Evaluate the base model, or an adapter on it and the learned retriever beside it.

    Search is exact, over all documents of the dataset; of a BEIR folder, the split `test`. With
    --units, units are ranked, each by its best chunk.

    Example:  query-adapters evaluate data -m cohere:embed-v4.0 -a my_adapter
    """
    _check_metrics(metric)
    searched = searched_at(dataset, split, corpus, units, default="test")
    embedder = resolve_embedder(model, dimensions=dimensions)
    folder = None if adapter is None else read_folder(adapter, embedder, similarity.value)
    learned = None if folder is None else folder.adapter
    embedded = searched.embedded(
        embedder,
        cache=cache_at(cache, adapter=adapter),
        dim=None if learned is None else learned.dim_in,
        show_progress=shows(progress),
    )
    measured = evaluate_vectors(
        embedded, learned, metrics=metric, similarity=similarity.value, texts=searched.texts
    )
    retriever = None
    if folder is not None and folder.retriever is not None:
        options: dict[str, Any] = {"metrics": metric, "show_progress": shows(progress)}
        options |= {"texts": searched.texts, "chunks": searched.chunks}
        retriever = evaluate_fusion(embedded, folder.retriever, **options)
    _show_evaluated(measured, retriever, as_json=as_json)


def compare(
    dataset: Dataset,
    model: Model,
    adapter: Adapters,
    other_model: OtherModels = None,
    split: Split = None,
    corpus: Corpus = None,
    units: UnitsOption = None,
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

    Of a folder with a scoring head, the learned retriever is compared as well, and beside it the
    frameworks' default hybrids of base and BM25: reciprocal rank fusion and relative scores.
    Search is exact, over all documents of the dataset; of a BEIR folder, the split `test`.

    Example:  query-adapters compare data -m cohere:embed-v4.0 -a my_adapter
    """
    _check_metrics(metric)
    searched = searched_at(dataset, split, corpus, units, default="test")
    measured = compared(
        searched,
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
    comparison = measured.comparison
    if as_json:
        n_documents = len(searched.documents)
        return output.show_json({"documents": n_documents, **comparison.to_dict()})
    from query_adapters.evaluation.terminal_report import systems_table

    title = f"{len(searched.texts.queries)} questions, {len(searched.documents)} documents"
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
    units: UnitsOption = None,
    dimensions: Dimensions = None,
    metric: Metrics = list(DEFAULT_METRICS),  # noqa: B006 (Typer reads it, nothing changes it)
    similarity: Ranking = Similarity.COSINE,
    seed: BootstrapSeed = 0,
    title: Annotated[str, typer.Option(help="Of the page.")] = "Retrieval report",
    explain: Annotated[
        str | None,
        typer.Option(
            help="Question whose ranking by the learned retriever is explained, its text or id.  "
            "[default: the one that gains most]"
        ),
    ] = None,
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Write the results of `compare` as one HTML page, with every gain and loss by question.

    With one adapter, the page also shows how it was trained and chosen and, with a scoring head,
    what each part of the score weighs, and one question part by part.

    Example:  query-adapters report data -m cohere:embed-v4.0 -a my_adapter -o r.html
    """
    from query_adapters.evaluation.html_report import write_html

    output_path.parent.mkdir(parents=True, exist_ok=True)
    _check_metrics(metric)
    searched = searched_at(dataset, split, corpus, units, default="test")
    query_id = None if explain is None else _query_id(searched.texts, explain, adapter)
    measured = compared(
        searched,
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
    written = write_html(
        measured.comparison,
        output_path,
        training=training or None,
        retriever=explained(measured, searched, query_id),
        title=title,
    )
    if as_json:
        return output.show_json({"output": str(written), "queries": len(searched.texts.queries)})
    output.show(f"written to {written}")


def _check_metrics(names: Sequence[str]) -> None:
    """Check the metrics before any text is embedded."""
    for name in names:
        Metric.parse(name)


def _show_evaluated(measured: Evaluation, retriever: Evaluation | None, *, as_json: bool) -> None:
    """Print the means of the base or the adapter, and those of the learned retriever, if any."""
    if as_json:
        means = {"queries": len(measured.query_ids), "means": measured.means}
        learned = {} if retriever is None else {"learned_retriever": retriever.means}
        return output.show_json(means | learned)
    if retriever is None:
        return output.show(str(measured))
    output.show(output.facts({"adapter": measured, RETRIEVER: retriever}))


def _query_id(texts: RetrievalDataset, question: str, folders: Sequence[Path]) -> str:
    """Return the id of the question to explain, which is given by its id or text."""
    if len(folders) != 1 or not has_fusion(read_adapter(folders[0])):
        raise typer.BadParameter(
            "--explain: expected one adapter, with a scoring head (train --hybrid), got "
            f"{', '.join(map(str, folders))}"
        )
    if question in texts.queries:
        return question
    for query, text in texts.queries.items():
        if text == question:
            return query
    raise typer.BadParameter(
        f"--explain: expected the text or id of a question of the dataset, got {question!r}"
    )
