"""Write a tuned model with its record to a folder, without replacing files of another origin.

An interrupted run leaves a mark in the folder, so that the next run may continue there.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

RECORD = "finetuning.json"
MARK = ".unfinished-finetuning"  # in a folder of an unfinished run
WRITTEN = ("checkpoints", "README.md", "modules.json", "config.json", "model.safetensors")


def check_replaceable(folder: Path) -> None:
    """Check that the folder holds no files that another program or person wrote.

    Raises:
        FileExistsError: If such a file would be replaced or removed.
    """
    if any((folder / mark).is_file() for mark in (RECORD, MARK)):
        return
    others = [name for name in WRITTEN if (folder / name).exists()]
    if others:
        raise FileExistsError(
            f"model_output_path: expected a new folder or one of an earlier run, got {folder}, "
            f"which holds {', '.join(others)} of another origin; choose a new folder"
        )


def mark_unfinished(folder: Path) -> None:
    """Create the folder, and mark it as an unfinished run until the model is saved."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def save_model(model: SentenceTransformer, folder: Path, *, record: Mapping[str, Any]) -> None:
    """Save the model and its record in the folder, file by file from a complete copy beside them.

    Args:
        model: The model.
        folder: Its folder, which `mark_unfinished` has made.
        record: Content of `finetuning.json`.
    """
    unfinished = folder / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(str(unfinished))
    (unfinished / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for path in unfinished.iterdir():
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    unfinished.rmdir()
    (folder / MARK).unlink(missing_ok=True)
