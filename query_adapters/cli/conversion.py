"""The command `convert`: test sets of one tool as those of another."""

from pathlib import Path
from typing import Annotated

import typer

from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.inputs import dataset_at
from query_adapters.cli.options import Corpus, Json, Split
from query_adapters.data.paths import write_dataset


def convert(
    source: Annotated[Path, typer.Argument(help="Test set to read.", exists=True)],
    output_path: Annotated[Path, typer.Argument(help="File or folder to write.")],
    read_as: Annotated[
        str | None, typer.Option("--from", help="Format to read; recognised by default.")
    ] = None,
    write_as: Annotated[
        str | None, typer.Option("--to", help="Format to write; by default after the file's name.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="<role>=<name>, such as question=prompt; may be given several times."),
    ] = None,
    split: Split = None,
    corpus: Corpus = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what an earlier run wrote.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Write a test set in another format; every other command reads the same formats.

    Formats: beir, llama-index-qa, mteb, labelled-rag, ragas, deepeval, argilla, label-studio,
    promptfoo, langsmith, pairs, table. Written are beir, llama-index-qa, labelled-rag, ragas,
    deepeval, pairs and table.

    Example:  query-adapters convert testset.csv data --column question=prompt
    """
    if output_path.exists() and not overwrite:
        raise FileExistsError(
            f"{output_path}: expected a name that is free; replace it with --overwrite"
        )
    dataset = dataset_at(
        source, split, corpus, default="train", format=read_as, columns=_columns(column or [])
    )
    write_dataset(dataset, output_path, format=write_as)
    counts = {"questions": len(dataset.queries), "documents": len(dataset.corpus)}
    if as_json:
        return output.show_json({"output": str(output_path), **counts})
    output.show(f"{counts['questions']} questions, {counts['documents']} documents: {output_path}")


def _columns(pairs: list[str]) -> dict[str, str] | None:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise typer.BadParameter(f"--column: expected <role>=<name>, got {wrong[0]!r}")
    return dict(pair.split("=", 1) for pair in pairs) or None
