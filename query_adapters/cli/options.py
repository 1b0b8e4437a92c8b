"""Options that several commands share."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from query_adapters.remote.locations import local_folder


class Similarity(StrEnum):
    """What a store ranks by."""

    COSINE = "cosine"
    DOT = "dot"
    EUCLIDEAN = "euclidean"


Dataset = Annotated[
    Path,
    typer.Argument(
        help="BEIR folder, LlamaIndex QA file, or a test set of another tool; see `convert`.",
        exists=True,
    ),
]
Split = Annotated[str | None, typer.Option(help="Split of a folder.")]
Corpus = Annotated[
    Path | None,
    typer.Option(
        help="Documents that the dataset names by id: JSONL with id and text.", exists=True
    ),
]
UnitsOption = Annotated[
    str | None,
    typer.Option(
        "--units",
        metavar="FILE|KEY",
        help="What labels name, if not chunks: a table of chunk and unit ids, or a key of the "
        "chunks' metadata.",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Embedding model, <provider>/<model>[?option=value], such as "
        "openai/text-embedding-3-small or 'ollama/nomic-embed-text?query_prefix='.",
    ),
]
Dimensions = Annotated[
    int | None, typer.Option(min=1, help="Length to shorten the model's vectors to.")
]


def _adapter_folder(text: str | Path) -> Path:
    """Return the existing folder of a path or a URI."""
    try:
        folder = local_folder(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise typer.BadParameter(f"Directory {str(text)!r} {found}.")
    return folder


Adapters = Annotated[
    list[Path],
    typer.Option(
        "--adapter",
        "-a",
        help="Adapter folder, or a registry://, hf:// or mlflow: URI; repeatable.",
        metavar="FOLDER",
        parser=_adapter_folder,
    ),
]
OtherModels = Annotated[
    list[str] | None,
    typer.Option(
        "--other-model",
        help="Another model to compare with, without an adapter; repeatable.",
    ),
]
Folder = Annotated[
    Path,
    typer.Argument(
        help="Adapter folder, or a registry://, hf:// or mlflow: URI.",
        metavar="FOLDER",
        parser=_adapter_folder,
    ),
]
Metrics = Annotated[
    list[str], typer.Option("--metric", help="Such as ndcg@10; may be given several times.")
]
Cache = Annotated[
    Path | None,
    typer.Option(
        envvar="QUERY_ADAPTERS_CACHE",
        help="SQLite file of embeddings, which avoids embedding a text twice.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]


def shows(progress: bool | None) -> bool:
    """Return whether to show progress bars."""
    return sys.stderr.isatty() if progress is None else progress


def quiet_models() -> None:
    """Hide a local model's own progress bars; its library reads this on import."""
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
ProbeText = Annotated[
    str | None,
    typer.Option(
        help="Text whose vector identifies the model later, stored in clear; by default a question."
    ),
]
NoProbe = Annotated[
    bool,
    typer.Option("--no-probe", help="Store no such text; `verify` is refused then."),
]


def probe_options(probe_text: str | None, *, no_probe: bool) -> dict[str, str | None]:
    """Return the engine's option, or none if neither is given."""
    if probe_text is not None and no_probe:
        raise typer.BadParameter("--probe-text, --no-probe: expected one of them, got both")
    return {"probe_text": probe_text} if no_probe or probe_text is not None else {}


Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        help="Worker processes of the selection; -1 for one per core.  "
        "[default: threads of this process]",
    ),
]
Device = Annotated[
    str,
    typer.Option(help="cpu, a device of torch such as cuda or mps for the fits, or auto."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of random choices.")]
Ranking = Annotated[Similarity, typer.Option(help="What your store ranks by.")]
BootstrapSeed = Annotated[int, typer.Option("--seed", min=0, help="Of bootstrap and test.")]
