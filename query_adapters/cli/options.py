"""Options that several commands have, each described once."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Similarity(StrEnum):
    """What a store ranks by."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


Dataset = Annotated[
    Path,
    typer.Argument(
        help="LlamaIndex QA file (.json), BEIR folder, or questions (.jsonl) with --corpus.",
        exists=True,
    ),
]
Split = Annotated[str | None, typer.Option(help="Split of a BEIR folder.")]
Corpus = Annotated[
    Path | None,
    typer.Option(help="Documents of a .jsonl dataset: JSONL with id and text.", exists=True),
]
Model = Annotated[str, typer.Option("--model", "-m", help="Embedding model, <provider>:<model>.")]
Dimensions = Annotated[
    int | None, typer.Option(min=1, help="Length to shorten the model's vectors to.")
]
Adapters = Annotated[
    list[Path],
    typer.Option(
        "--adapter",
        "-a",
        help="Adapter folder; or several.",
        exists=True,
        file_okay=False,
    ),
]
OtherModels = Annotated[
    list[str] | None,
    typer.Option("--other-model", help="Another embedding model, as it is; or several."),
]
Folder = Annotated[Path, typer.Argument(help="Adapter folder.", exists=True, file_okay=False)]
Metrics = Annotated[
    list[str], typer.Option("--metric", help="Such as ndcg@10; may be given several times.")
]
Cache = Annotated[
    Path | None,
    typer.Option(
        envvar="QUERY_ADAPTERS_CACHE",
        help="SQLite file of vectors, so that none is paid for twice.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, on stdout, and nothing else.")]


def shows(progress: bool | None) -> bool:
    """Return whether to show progress bars."""
    return sys.stderr.isatty() if progress is None else progress


def quiet_models() -> None:
    """Keep a local model's own progress bars out; its library reads this when it is imported."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _taken(progress: bool | None) -> bool | None:
    if progress is False:
        quiet_models()
    return progress


Progress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress",
        help="Progress bars on stderr.  [default: in a terminal]",
        callback=_taken,
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of what is dealt at random.")]
Ranking = Annotated[Similarity, typer.Option(help="What your store ranks by.")]
BootstrapSeed = Annotated[int, typer.Option("--seed", min=0, help="Of bootstrap and test.")]
