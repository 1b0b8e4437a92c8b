"""The command `feedback`: a dataset from a feedback log."""

from pathlib import Path
from typing import Annotated

import typer

from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.options import Json
from query_adapters.data.paths import read_texts, write_dataset
from query_adapters.feedback import Propensities, dataset_from_feedback, read_log

DEPTH = 1_000  # ranks; propensities below stay the same


def feedback(
    log: Annotated[Path, typer.Argument(help="Log of a FeedbackLog.", dir_okay=False)],
    output_path: Annotated[
        Path,
        typer.Option("--output", "-o", help="BEIR folder, or LlamaIndex QA file without grades."),
    ],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Documents of your index: JSONL with id and text.", exists=True),
    ] = None,
    position_bias: Annotated[
        float | None,
        typer.Option(min=0, help="n of 1/rank^n, how likely users look at a rank; else estimated."),
    ] = None,
    min_probability: Annotated[
        float, typer.Option(min=0, max=1, help="Least probability that a label is right.")
    ] = 0.5,
    half_life: Annotated[
        float | None, typer.Option(help="Age in days at which feedback counts half.")
    ] = None,
    weigh_questions: Annotated[
        bool,
        typer.Option("--weigh-questions", help="Let questions count by their evidence."),
    ] = False,
    skip_strangers: Annotated[
        bool,
        typer.Option(
            "--skip-strangers", help="Leave out feedback on documents that were not shown."
        ),
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Make a dataset of what users clicked and rated, corrected for position and noise.

    Example:  query-adapters feedback clicks.jsonl -o data --corpus chunks.jsonl
    """
    given = None if position_bias is None else Propensities.power_law(position_bias, depth=DEPTH)
    found = dataset_from_feedback(
        read_log(log),
        None if corpus is None else read_texts(corpus),
        propensities=given,
        min_probability=min_probability,
        half_life_days=half_life,
        weigh_questions=weigh_questions,
        skip_strangers=skip_strangers,
    )
    write_dataset(found.dataset, output_path)
    if as_json:
        return output.show_json({"output": str(output_path), **found.to_record()})
    output.show(str(found), f"written to {output_path}")
