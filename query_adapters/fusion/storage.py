"""Save the learned retriever in the adapter's folder, and load it.

The weights of the scoring head, the vectors of the training questions, the ids of their answers and
of the other vectors of their units are in the adapter's own file; the lexical index is in its
folder `lexical`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.storage import Attachment, SavedAdapter, read_adapter, save_adapter
from query_adapters.arrays import check_finite
from query_adapters.errors import AdapterFileError
from query_adapters.files.json_types import is_count, list_of, texts_of
from query_adapters.fusion.head import ScoringHead
from query_adapters.fusion.model import FusionModel
from query_adapters.lexical import LexicalIndex
from query_adapters.processes.locks import reading, writing
from query_adapters.remote.locations import local_folder
from query_adapters.typing import Similarity

NAME, LEXICAL_FOLDER = "fusion", "lexical"
MAX_DEPTH = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedFusion:
    """The learned retriever with the record of its adapter.

    Attributes:
        model: The adapter with its scoring head.
        saved: The adapter with its record, which names the embedding model.
    """

    model: FusionModel
    saved: SavedAdapter


def parts_of(fusion: FusionModel | SavedFusion) -> tuple[FusionModel, SavedAdapter]:
    """Return the model, and its adapter with its record, which is empty if it has none.

    Raises:
        TypeError: If it is neither a FusionModel nor a SavedFusion.
    """
    if isinstance(fusion, SavedFusion):
        return fusion.model, fusion.saved
    if isinstance(fusion, FusionModel):
        return fusion, SavedAdapter(adapter=fusion.adapter)
    raise TypeError(
        f"fusion: expected a FusionModel or a SavedFusion, got {type(fusion).__name__}; use the "
        "class method load(folder, ...) of a retriever for a saved one, or read_fusion(folder)"
    )


def save_fusion(fusion: SavedFusion, folder: str | Path) -> Path:
    """Save the adapter with its head, and the lexical index; return the folder.

    The lexical index is written first, so that a process that dies in between leaves the adapter
    that was there before.
    """
    folder, model = Path(folder), fusion.model
    folder.mkdir(parents=True, exist_ok=True)
    attachment = Attachment(
        record={
            "weights": model.head.to_record(),
            "answers": [list(keys) for keys in model.answers],
            "similarity": model.similarity,
            "depth": model.depth,
            **({"units": [list(keys) for keys in model.units]} if model.units else {}),
        },
        tensors={"queries": np.asarray(model.queries, dtype=np.float32)},
    )
    attachments = {**fusion.saved.attachments, NAME: attachment}
    with writing(folder, refusal=AdapterFileError):
        if model.lexical is not None:
            model.lexical.save(folder / LEXICAL_FOLDER)
        return save_adapter(replace(fusion.saved, attachments=attachments), folder)


def has_fusion(saved: SavedAdapter) -> bool:
    """Return whether a scoring head was saved with the adapter."""
    return NAME in saved.attachments


def read_fusion(folder: str | Path, *, memory_map: bool = True) -> SavedFusion:
    """Return the learned retriever in the folder.

    Args:
        folder: The adapter's folder, or a `registry://`, `hf://` or `mlflow:` URI.
        memory_map: Whether the lexical index stays on disk and is read as it is needed.

    Raises:
        FileNotFoundError: If there is no such folder.
        AdapterFileError: If the folder does not hold a complete adapter with a scoring head.
        LexicalIndexError: If its lexical index is missing or incomplete.
        MissingExtraError: If the lexical index is needed and the extra `hybrid` is not installed.
    """
    folder = local_folder(folder)
    with reading(folder):
        fusion = read_without_words(folder)
        if not fusion.model.head.needs_text:
            return fusion
        lexical = LexicalIndex.load(folder / LEXICAL_FOLDER, memory_map=memory_map)
    return replace(fusion, model=replace(fusion.model, lexical=lexical))


def read_without_words(folder: str | Path) -> SavedFusion:
    """Return the learned retriever in the folder without its lexical index; it needs no extra.

    Raises:
        FileNotFoundError: If there is no such folder.
        AdapterFileError: If the folder does not hold a complete adapter with a scoring head.
    """
    saved = read_adapter(folder)
    if not has_fusion(saved):
        raise AdapterFileError(
            f"{folder}: expected an adapter with a scoring head, got one without; train it with "
            "hybrid=True, or serve the adapter alone"
        )
    try:
        model = _model_of(saved.adapter, saved.attachments[NAME])
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise AdapterFileError(
            f"{folder}: the scoring head is incomplete ({type(error).__name__}: {error}); train "
            "again"
        ) from error
    return SavedFusion(model=model, saved=saved)


def _ids_of_each(lists: object) -> tuple[tuple[str, ...], ...]:
    return tuple(texts_of(keys) for keys in list_of(lists))


def _model_of(adapter: QueryAdapter, attachment: Attachment) -> FusionModel:
    """Return the learned retriever, without its lexical index.

    Raises:
        ValueError: If its parts do not fit together; other errors if one is missing.
    """
    record, queries = attachment.record, attachment.tensors["queries"]
    answers = _ids_of_each(record["answers"])
    if attachment.tensors.keys() != {"queries"} or queries.dtype != np.float32:
        raise ValueError(f"expected float32 vectors of questions alone, got {queries.dtype}")
    if queries.shape != (len(answers), adapter.dim_in):
        raise ValueError(
            f"expected {len(answers)} questions of {adapter.dim_in} dimensions, got {queries.shape}"
        )
    check_finite(queries, "vectors of the questions")
    if record["similarity"] not in get_args(Similarity) or not _is_depth(record["depth"]):
        raise ValueError(f"got similarity {record['similarity']!r} and depth {record['depth']}")
    return FusionModel(
        adapter=adapter,
        head=ScoringHead.from_record(record["weights"]),
        queries=queries,
        answers=answers,
        similarity=record["similarity"],
        depth=record["depth"],
        units=_ids_of_each(record.get("units", [])),
    )


def _is_depth(value: object) -> bool:
    return is_count(value) and value <= MAX_DEPTH
