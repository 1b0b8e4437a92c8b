"""The command `doctor`: whether all is still as it was when the adapter was trained."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.feedback import DEPTH
from query_adapters.cli.inputs import cache_at
from query_adapters.cli.options import Cache, Dimensions, Folder, Json, shows
from query_adapters.data.paths import load_dataset, read_texts
from query_adapters.embedders import TextEmbedder, resolve_embedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.feedback import FeedbackRecords, Propensities, feedback_from_spans, read_log
from query_adapters.monitoring import diagnose
from query_adapters.monitoring.doctor import RECENT
from query_adapters.stores import StoredVectors
from query_adapters.typing import Texts


def doctor(
    folder: Folder,
    log: Annotated[Path, typer.Argument(help="Log of a FeedbackLog.", dir_okay=False)],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Embedding model, <provider>:<model>.")
    ] = None,
    dimensions: Dimensions = None,
    index: Annotated[
        Path | None,
        typer.Option(help="Vectors of your index: Parquet with id and vector.", exists=True),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Documents of your index: JSONL with id and text.", exists=True),
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="The training questions: any dataset.", exists=True)
    ] = None,
    traces: Annotated[
        bool, typer.Option("--traces", help="The log is an export of traces, as of `traces`.")
    ] = False,
    position_bias: Annotated[
        float | None,
        typer.Option(min=0, help="n of 1/rank^n, how likely users look at a rank; else estimated."),
    ] = None,
    no_refit: Annotated[
        bool, typer.Option("--no-refit", help="Do not measure what training again would gain.")
    ] = False,
    recent: Annotated[int, typer.Option(min=1, help="The newest lists to look at.")] = RECENT,
    cache: Cache = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Check model, index and questions of an adapter that serves, on the log of what it showed.

    Each check prints a line: ok, warning, failed, or skipped and why. The exit status is 1 if
    something needs doing. Without --index, the vectors of --corpus are made by the model.

    Example:  query-adapters doctor my_adapter clicks.jsonl -m cohere:embed-v4.0 --corpus c.jsonl
    """
    embedder = None if model is None else resolve_embedder(model, dimensions=dimensions)
    texts = None if corpus is None else read_texts(corpus)
    vectors = cache_at(cache, adapter=folder)
    found = diagnose(
        folder,
        _records(log, traces=traces),
        embedder=embedder,
        index=_index(index, texts, embedder, vectors),
        texts=texts,
        training=None if training is None else load_dataset(training),
        propensities=(
            None if position_bias is None else Propensities.power_law(position_bias, depth=DEPTH)
        ),
        measure_refit=not no_refit,
        recent=recent,
        cache_path=vectors.path,
    )
    if as_json:
        output.show_json(found.to_record())
    else:
        output.show(*map(str, found.checks))
    if found.needs_action:
        raise typer.Exit(1)


def _records(log: Path, *, traces: bool) -> FeedbackRecords:
    return feedback_from_spans(log) if traces else read_log(log)


def _index(
    path: Path | None,
    texts: Texts | None,
    embedder: TextEmbedder | None,
    cache: EmbeddingCache,
) -> StoredVectors | None:
    """Return the vectors in the file, or those of the texts by the model; None without both."""
    if path is not None:
        from query_adapters.pipelines import ParquetVectors

        stored = ParquetVectors(path)
        rows = np.arange(stored.rows.n_rows)
        ids = tuple(map(str, stored.ids_at(rows).to_pylist()))
        return StoredVectors(ids, np.concatenate(list(stored)))
    if texts is None or embedder is None:
        return None
    vectors = cache.embed_documents(embedder, list(texts.values()), show_progress=shows(None))
    return StoredVectors(tuple(texts), vectors)
