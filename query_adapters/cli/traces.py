"""The command `traces`: judgements from rated retrievals."""

from pathlib import Path
from typing import Annotated

import typer

from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.options import Json
from query_adapters.data.paths import read_texts, write_dataset
from query_adapters.data.traces import from_traces


def traces(
    source: Annotated[
        Path,
        typer.Argument(
            help="Spans as JSON, JSONL, Parquet or CSV, of Phoenix, LangSmith or Langfuse.",
            exists=True,
        ),
    ],
    output_path: Annotated[
        Path,
        typer.Option("--output", "-o", help="BEIR folder, or LlamaIndex QA file without grades."),
    ],
    feedback: Annotated[
        Path | None,
        typer.Option(help="Ratings that are not in the traces.", exists=True, dir_okay=False),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Feedback that counts, if there are several kinds; repeatable."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Feedback above it is positive, such as 3 of 5 stars.")
    ] = 0.5,
    top: Annotated[
        int, typer.Option(min=1, help="Documents that feedback on a whole retrieval labels.")
    ] = 3,
    min_weight: Annotated[
        float, typer.Option(min=0, help="Least summed weight of a query and a document.")
    ] = 0.0,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Documents of your index: JSONL with id and text.", exists=True),
    ] = None,
    id_key: Annotated[
        str | None, typer.Option(help="Key of the documents' metadata that holds their id.")
    ] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Make a dataset of what retrievers returned and how people rated it.

    Rated documents are relevant; so are the first ones of a retrieval that was rated as a whole,
    with less weight the lower they ranked.

    Example:  query-adapters traces spans.jsonl -o data --feedback annotations.jsonl
    """
    dataset = from_traces(
        source,
        None if corpus is None else read_texts(corpus),
        feedback=feedback,
        names=name,
        threshold=threshold,
        top=top,
        min_weight=min_weight,
        id_key=id_key,
    )
    write_dataset(dataset, output_path)
    judgements = sum(map(len, dataset.qrels.values()))
    counts = {
        "questions": len(dataset.queries),
        "documents": len(dataset.corpus),
        "judgements": judgements,
    }
    if as_json:
        return output.show_json({"output": str(output_path), **counts})
    output.show(", ".join(f"{n} {what}" for what, n in counts.items()) + f": {output_path}")
