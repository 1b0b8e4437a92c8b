"""The command `locate`: labels from answers and passages."""

from pathlib import Path
from typing import Annotated

import typer

from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.options import Json, Progress, shows
from query_adapters.data.paths import load_questions, read_texts, write_dataset
from query_adapters.locating import Located
from query_adapters.locating import locate as find


def locate(
    answers: Annotated[
        Path,
        typer.Argument(help="Test set with passages or answers; see `convert`.", exists=True),
    ],
    chunks: Annotated[
        Path, typer.Argument(help="JSONL with id and text.", exists=True, dir_okay=False)
    ],
    output_path: Annotated[
        Path,
        typer.Option("--output", "-o", help="BEIR folder, or LlamaIndex QA file without grades."),
    ],
    min_similarity: Annotated[
        float, typer.Option(help="Least similarity of a noisy copy; 1 for equal texts alone.")
    ] = 0.85,
    max_chunks: Annotated[
        int, typer.Option(help="Chunks that may hold a passage before it is ambiguous.")
    ] = 5,
    keep_ambiguous: Annotated[
        bool, typer.Option("--keep-ambiguous", help="Label all chunks of such a passage.")
    ] = False,
    progress: Progress = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Find the chunks that hold given answers or passages, and write them as labels.

    Passages that no chunk holds, or too many, are listed; the others are written.

    Example:  query-adapters locate answers.jsonl chunks.jsonl -o data
    """
    found = find(
        load_questions(answers),
        read_texts(chunks),
        min_similarity=min_similarity,
        max_chunks=max_chunks,
        keep_ambiguous=keep_ambiguous,
        show_progress=shows(progress),
    )
    write_dataset(found.dataset, output_path)
    if as_json:
        return output.show_json({"output": str(output_path), **_as_json(found)})
    output.show(str(found), f"written to {output_path}")


def _as_json(found: Located) -> dict[str, object]:
    return {
        "questions": len(found.queries),
        "located": len(found.qrels),
        "not_found": [
            {
                "question": one.question.question,
                "passage": one.text,
                "best_chunk": None if one.best is None else one.best.chunk,
                "share": None if one.best is None else one.best.share,
            }
            for one in found.unplaced
        ],
        "ambiguous": [
            {"question": one.question.question, "passage": one.text, "chunks": len(one.matches)}
            for one in found.ambiguous
        ],
    }
