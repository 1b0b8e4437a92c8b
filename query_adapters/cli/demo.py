"""The command `demo`: train and compare on real data, offline."""

from pathlib import Path
from typing import Annotated

import typer

from query_adapters.cli import output
from query_adapters.cli.adapters import show_finetuned
from query_adapters.cli.config import Config
from query_adapters.cli.options import Json, Progress, shows
from query_adapters.data.formats import write_beir
from query_adapters.data.splits import split_by_query
from query_adapters.demo import packaged_model, read_dataset
from query_adapters.embedders import resolve_embedder
from query_adapters.finetuning.engine import AdapterFinetuneEngine


def demo(
    output_path: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the data and the adapter.")
    ] = Path("demo_output"),
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model to use instead, <provider>/<model>.")
    ] = None,
    questions: Annotated[
        int | None,
        typer.Option(min=1, help="Use only the first so many questions, and few documents."),
    ] = None,
    data_only: Annotated[
        bool, typer.Option("--data-only", help="Write the data and stop.")
    ] = False,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Train on questions about Python's standard library, and evaluate on held-out ones.

    The documents are the docstrings of your Python; the extra `demo` installs the model.

    Example:  query-adapters demo --questions 240
    """
    data, folder = output_path / "data", output_path / "adapter"
    dataset = read_dataset(n_queries=questions)
    training, test = split_by_query(dataset)
    write_beir(training, data, split="train")
    write_beir(test, data, split="test")
    if data_only:
        return output.show_json({"data": str(data)}) if as_json else output.show(str(data))
    engine = AdapterFinetuneEngine(
        training,
        resolve_embedder(model or f"sentence-transformers:{packaged_model()}"),
        model_output_path=folder,
        val_dataset=test,
        verbose=shows(progress),
    )
    engine.finetune()
    show_finetuned(engine.result, folder, as_json=as_json)
