"""Commands that make datasets: `generate` and `split`."""

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.inputs import cache_at, dataset_at
from query_adapters.cli.options import (
    Cache,
    Corpus,
    Dataset,
    Dimensions,
    Json,
    Progress,
    Seed,
    shows,
)
from query_adapters.data.formats import CORPUS, QUERIES, write_beir
from query_adapters.data.paths import read_texts, write_dataset
from query_adapters.data.splits import split_by_document, split_by_query
from query_adapters.embedders import resolve_embedder
from query_adapters.errors import MissingKeyError
from query_adapters.files.reading import read_text
from query_adapters.providers.naming import split_name


class By(StrEnum):
    """What the two parts of a split must not share."""

    QUERY = "query"
    DOCUMENT = "document"


SPLITTERS = {By.QUERY: split_by_query, By.DOCUMENT: split_by_document}


def generate(
    documents: Annotated[
        Path, typer.Argument(help="JSONL with id and text.", exists=True, dir_okay=False)
    ],
    llm: Annotated[str, typer.Option(help="Chat model, <provider>/<model>.")],
    output_path: Annotated[
        Path, typer.Option("--output", "-o", help="LlamaIndex QA file (.json), or a BEIR folder.")
    ],
    questions: Annotated[int, typer.Option(min=1, help="Questions a document.")] = 2,
    style: Annotated[
        list[str] | None, typer.Option(help="Question style; several times for several.")
    ] = None,
    examples: Annotated[
        Path | None, typer.Option(help="Real queries, one a line.", exists=True, dir_okay=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Base embedding model, to check the questions with."),
    ] = None,
    dimensions: Dimensions = None,
    answerable_within: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --model: keep questions answered in its top 10, or so many."
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="With --model: chat model that finds further answers.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls under way at once.")] = 16,
    prompt_price: Annotated[
        float, typer.Option(min=0, help="Price of a million tokens that the model reads.")
    ] = 0.0,
    answer_price: Annotated[
        float, typer.Option(min=0, help="Price of a million tokens that the model writes.")
    ] = 0.0,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would cost, and stop.")] = False,
    cache: Cache = None,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Write questions for documents that have none, by a language model.

    Answers are written to <output>.answers.jsonl: after a crash, run the command again, and no
    answer is paid for twice.

    Example:  query-adapters generate d.jsonl --llm openai:gpt-4o-mini -o qa.json
    """
    from query_adapters.generation import (
        CallOptions,
        Checks,
        Prices,
        QuestionGenerator,
        resolve_generator,
    )

    if model is None and (answerable_within or judge or dimensions):
        raise typer.BadParameter("--answerable-within, --judge and --dimensions need --model")
    generator = QuestionGenerator(
        llm=_model(llm, resolve_generator, plan=plan),
        n_questions=questions,
        styles=style,
        examples=() if examples is None else _lines(examples),
        options=CallOptions(concurrency=concurrency),
        journal=f"{output_path}.answers.jsonl",
        prices=Prices(prompt_price, answer_price) if prompt_price or answer_price else None,
        embedder=None
        if model is None
        else _model(model, resolve_embedder, plan=plan, dimensions=dimensions),
        cache=cache_at(cache),
        checks=Checks(
            answerable_within=answerable_within or 10,
            judge=None if judge is None else _model(judge, resolve_generator, plan=plan),
        ),
        show_progress=shows(progress),
    )
    chunks = read_texts(documents)
    planned = generator.plan(chunks)
    if plan:
        return output.show_json(vars(planned)) if as_json else output.show(str(planned))
    typer.echo(output.safe(str(planned)), err=True)
    made = generator.run(chunks)
    write_dataset(made.dataset, output_path)
    if as_json:
        return output.show_json({"output": str(output_path), **vars(made.summary)})
    output.show(str(made.summary), f"written to {output_path}")


def split(
    dataset: Dataset,
    output_path: Annotated[Path, typer.Option("--output", "-o", help="BEIR folder to write.")],
    held_out: Annotated[float, typer.Option(help="Share of the questions to set apart.")] = 0.3,
    by: Annotated[By, typer.Option(help="What the two sides must not share.")] = By.QUERY,
    seed: Seed = 0,
    source: Annotated[str | None, typer.Option("--split", help="Split of a BEIR folder.")] = None,
    corpus: Corpus = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the splits of an earlier run.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Split questions into `train` and `test` of a BEIR folder.

    Near-duplicates stay in one part; with --by document, so do questions that share a document.

    Example:  query-adapters split questions.json -o data --held-out 0.3
    """
    _check_free(output_path, inputs=[dataset, corpus or dataset], overwrite=overwrite)
    whole = dataset_at(dataset, source, corpus, default="train")
    training, test = SPLITTERS[by](whole, held_out=held_out, seed=seed)
    write_beir(training, output_path, split="train")
    write_beir(test, output_path, split="test")
    counts = {"train": len(training.queries), "test": len(test.queries)}
    if as_json:
        return output.show_json({"output": str(output_path), "questions": counts})
    output.show(
        f"{counts['train']} questions to train on, {counts['test']} held out: {output_path}"
    )


def _lines(path: Path) -> list[str]:
    return read_text(path, error=typer.BadParameter).splitlines()


def _model(name: str, resolve: Callable[..., Any], *, plan: bool, **options: Any) -> Any:
    """Return the model; for a plan, which makes no call, only its name if there is no key."""
    try:
        return resolve(name, **options)
    except MissingKeyError:
        if not plan:
            raise
        return SimpleNamespace(model_name=split_name(name)[1], embed_queries=None)


def _check_free(folder: Path, *, inputs: list[Path], overwrite: bool) -> None:
    written = {os.path.realpath(path) for path in (folder, folder / CORPUS, folder / QUERIES)}
    if not written.isdisjoint(map(os.path.realpath, inputs)):
        raise FileExistsError(
            f"{folder}: expected a folder other than the input, which the splits would replace; "
            "name another with -o"
        )
    if not overwrite and any(folder.glob("qrels/*")):
        raise FileExistsError(
            f"{folder}: expected a folder without judgements, got one that holds splits already; "
            "name another with -o, or replace them with --overwrite"
        )
