"""The command `upgrade`: a new model on the vectors of an old one."""

from pathlib import Path
from typing import Annotated

import typer

from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.inputs import VECTORS, cache_at, dataset_at
from query_adapters.cli.options import (
    Cache,
    Corpus,
    Dataset,
    Device,
    Dimensions,
    Jobs,
    Json,
    Model,
    NoProbe,
    ProbeText,
    Progress,
    Ranking,
    Seed,
    Similarity,
    Split,
    probe_options,
    shows,
)
from query_adapters.embedders import resolve_embedder
from query_adapters.stores import LiveIndex, StoredVectors
from query_adapters.upgrade.engine import N_TEXTS, UpgradeEngine


def upgrade(
    dataset: Dataset,
    model: Model,
    old_model: Annotated[
        str, typer.Option(help="Model of the index, whose vectors are cached or embedded once.")
    ],
    output_path: Annotated[Path, typer.Option("--output", "-o", help="Folder of the bridge.")],
    split: Split = None,
    corpus: Corpus = None,
    dimensions: Dimensions = None,
    texts: Annotated[
        int, typer.Option(min=1, help="The most documents to embed with the new model.")
    ] = N_TEXTS,
    price: Annotated[
        float | None, typer.Option(min=0, help="Price of the new model per million tokens.")
    ] = None,
    old_price: Annotated[
        float | None, typer.Option(min=0, help="Price of the old model per million tokens.")
    ] = None,
    max_loss: Annotated[
        float,
        typer.Option(min=0, max=0.99, help="Accepted loss of the metric by a cheaper new model."),
    ] = 0.0,
    metric: Annotated[str, typer.Option(help="Metric of the comparison.")] = "ndcg@10",
    similarity: Ranking = Similarity.COSINE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the new model would embed, and its price.")
    ] = False,
    probe_text: ProbeText = None,
    no_probe: NoProbe = False,
    seed: Seed = 0,
    jobs: Jobs = None,
    device: Device = "cpu",
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Serve the vectors of an old model with the queries of a new one, and compare.

    The questions of the dataset are the labels. The old model embeds its documents, unless their
    vectors are in the cache.

    Example:  query-adapters upgrade data -m openai:new --old-model openai:old -o bridge
    """
    questions = dataset_at(dataset, split, corpus, default="train")
    old = resolve_embedder(old_model)
    path = cache or output_path / VECTORS
    documents = list(questions.corpus.values())
    vectors = cache_at(path).embed_documents(old, documents, show_progress=shows(progress))
    stored = StoredVectors(tuple(questions.corpus), vectors, similarity=similarity.value)
    index = LiveIndex(
        name=old_model,
        source=stored,
        texts=lambda ids: {key: questions.corpus[key] for key in ids},
        hint=lambda missing: "",
    )
    engine = UpgradeEngine(
        index,
        resolve_embedder(model, dimensions=dimensions),
        model_output_path=output_path,
        old=old,
        dataset=questions,
        n_texts=texts,
        price_per_million_tokens=price,
        old_price_per_million_tokens=old_price,
        max_loss=max_loss,
        metric=metric,
        seed=seed,
        n_jobs=jobs,
        device=device,
        cache_path=path,
        verbose=shows(progress),
        **probe_options(probe_text, no_probe=no_probe),  # type: ignore[arg-type]
    )
    if dry_run:
        return output.show(str(engine.plan))
    engine.finetune()
    if as_json:
        return output.show_json({"output": str(output_path), **engine.result.to_record()})
    output.show(str(engine.plan), "", str(engine.result), "", f"saved to {output_path}")
