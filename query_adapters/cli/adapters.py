"""Commands about adapters: `train`, `verify` and `export`; `inspect` has its own module."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from query_adapters._extras import require_extra
from query_adapters.adapters.serving import check_probe, probe_of
from query_adapters.adapters.storage import read_adapter
from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.inputs import VECTORS, block_of, searched_at, stored_chunks
from query_adapters.cli.inspecting import described
from query_adapters.cli.options import (
    Cache,
    Corpus,
    Dataset,
    Device,
    Dimensions,
    Folder,
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
    UnitsOption,
    probe_options,
    shows,
)
from query_adapters.data.splits import check_leakage
from query_adapters.embedders import resolve_embedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.finetuning.engine import AdapterFinetuneEngine
from query_adapters.providers.naming import split_name

if TYPE_CHECKING:
    from query_adapters.finetuning.adapter import FinetuneResult


class Guard(StrEnum):
    """How sure the gain must be to keep the adapter."""

    STRICT = "strict"
    EXPECTED = "expected"
    OFF = "off"


def train(
    dataset: Dataset,
    model: Model,
    output_path: Annotated[Path, typer.Option("--output", "-o", help="Folder of the adapter.")],
    split: Split = None,
    corpus: Corpus = None,
    units: UnitsOption = None,
    val: Annotated[
        Path | None,
        typer.Option(help="Validation questions; they only measure the result.", exists=True),
    ] = None,
    val_split: Annotated[
        str | None, typer.Option(help="Split of --val, or of the dataset if --val is left out.")
    ] = None,
    dimensions: Dimensions = None,
    memory: Annotated[
        bool | None,
        typer.Option(
            help="Adapters with a memory of the training questions alone, or linear ones alone; "
            "by default both are tried."
        ),
    ] = None,
    bias: Annotated[bool, typer.Option(help="Learn a bias.")] = True,
    hybrid: Annotated[
        bool,
        typer.Option(
            "--hybrid", help="Learn a retriever as well that weighs exact words and past answers."
        ),
    ] = False,
    metric: Annotated[
        str, typer.Option(help="Metric that candidates are compared on.")
    ] = "ndcg@10",
    guard: Annotated[
        Guard, typer.Option(help="How sure the gain must be to keep the adapter.")
    ] = Guard.STRICT,
    similarity: Ranking = Similarity.COSINE,
    seen_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Expected share of future questions about documents that have training questions.",
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 4,
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
    """Train an adapter, keep it only if it helps, and save it.

    If no gain can be shown, the base model is kept: the saved adapter is the identity, and the
    verdict states it. The exit status is still 0. With --units, labels name documents, pages or
    the like, and the chunks are searched.

    Example:  query-adapters train data -m cohere:embed-v4.0 -o my_adapter
    """
    measured = val or (dataset if val_split else None)
    training = searched_at(dataset, split, corpus, units, default="train")
    validation = (
        None
        if measured is None
        else searched_at(measured, val_split, corpus, units, default="test").texts
    )
    if validation is not None:
        check_leakage(training.texts.queries, validation.queries)
    require_extra("train")
    embedder = resolve_embedder(model, dimensions=dimensions)
    vectors = cache or output_path / VECTORS
    engine = AdapterFinetuneEngine(
        training.texts,
        embedder,
        model_output_path=output_path,
        index=stored_chunks(
            training.chunked, embedder, EmbeddingCache(vectors), show_progress=shows(progress)
        ),
        texts=None if training.chunks is None else [block_of(training.chunks)],
        val_dataset=validation,
        memory="auto" if memory is None else memory,
        bias=bias,
        hybrid=hybrid,
        metric=metric,
        guard=guard.value,
        similarity=similarity.value,
        seen_share=seen_share,
        n_folds=folds,
        seed=seed,
        n_jobs=jobs,
        device=device,
        cache_path=vectors,
        verbose=shows(progress),
        **probe_options(probe_text, no_probe=no_probe),  # type: ignore[arg-type]
    )
    engine.finetune()
    show_finetuned(engine.result, output_path, as_json=as_json)


def verify(
    folder: Folder,
    model: Model,
    dimensions: Dimensions = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Check that an adapter was trained on this model, by embedding one question.

    The exit status is 1 if it was not.

    Example:  query-adapters verify my_adapter -m cohere:embed-v4.0
    """
    text, expected = probe_of(read_adapter(folder))
    embedder = resolve_embedder(model, dimensions=dimensions)
    check_probe(embedder.embed_queries([text])[0].tolist(), expected, model_name=model)
    if as_json:
        return output.show_json({"adapter": str(folder), "model": model, "fits": True})
    output.show(f"{folder} fits {model}")


def export(
    folder: Folder,
    model: Model,
    output_path: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new model.")],
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Save a model and a linear adapter as one sentence-transformers model.

    Its encode_query applies the adapter; its encode_document is the base model's. Train the adapter
    with --no-memory: such a model holds a matrix and a bias alone.

    Example:  query-adapters export my_adapter -m sentence-transformers:base -o new
    """
    provider, model_id = split_name(model)
    if provider not in ("sentence-transformers", "st") or not model_id:
        raise typer.BadParameter(f"--model: expected sentence-transformers/<model>, got {model!r}")
    require_extra("sentence-transformers")
    from query_adapters.model_tuning import export_adapter

    written = export_adapter(folder, model_id, output_path)
    if as_json:
        return output.show_json({"output": str(written)})
    output.show(f"written to {written}")


def show_finetuned(result: "FinetuneResult", folder: Path, *, as_json: bool) -> None:
    """Print the verdict, the validation table and the folder."""
    if as_json:
        rows = {name: asdict(row) for name, row in (result.validation or {}).items()}
        saved = described(read_adapter(folder))
        return output.show_json({"output": str(folder), **saved, "validation": rows})
    output.show(str(result))
    if result.validation:
        from query_adapters.evaluation.terminal_report import comparison_table

        output.show("", comparison_table(result.validation, title="validation questions"))
    output.show("", f"saved to {folder} ({result.training.elapsed_seconds:.1f} s)")
