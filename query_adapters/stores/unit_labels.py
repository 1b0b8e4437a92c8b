"""Labels on units of an index: which chunks they stand for, and which cannot be right."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from query_adapters.errors import InvalidDatasetError

SHOWN = 3  # labels and units that an error names


def check_labels(labelled: Sequence[str], unit_of: Mapping[str, str], *, name: str) -> None:
    """Check that every label names a unit of the index.

    Args:
        labelled: Ids of the units that are relevant to a question.
        unit_of: The unit of each chunk of the index, by the chunk's id.
        name: Name of the store in messages.

    Raises:
        InvalidDatasetError: If labels name no unit, or name chunks.
    """
    units = dict.fromkeys(unit_of.values())
    missing = [key for key in labelled if key not in units]
    if not missing:
        return
    chunks = [key for key in missing if key in unit_of]
    if chunks:
        raise InvalidDatasetError(
            f"{name}: expected labels on units alone, got {len(chunks)} of {len(labelled)} on "
            f"chunks, such as {chunks[0]!r}, which is a chunk of the unit {unit_of[chunks[0]]!r}; "
            'name the units, or leave units at "chunk" and name chunks in all labels'
        )
    raise InvalidDatasetError(
        f"{name}: expected labels that name units of the index, got {len(missing)} of "
        f"{len(labelled)} that do not, such as {_names(missing)}, where units are such as "
        f"{_names(list(units))}; correct them, or read units from another key"
    )


def chunks_of(units: Sequence[str], unit_of: Mapping[str, str]) -> list[str]:
    """Return the ids of the chunks of these units, in the order of `unit_of`."""
    wanted = set(units)
    return [chunk for chunk, unit in unit_of.items() if unit in wanted]


def sampled_chunks(
    unit_of: Mapping[str, str], without: Collection[str], most: int | None, seed: int
) -> Collection[str]:
    """Return the chunks of randomly drawn units, whose chunks are drawn together.

    Args:
        unit_of: The unit of each chunk.
        without: Chunks to leave out; all of a unit or none.
        most: The most chunks to return; None for all.
        seed: Seed of the sample.
    """
    others = {chunk: unit for chunk, unit in unit_of.items() if chunk not in without}
    if most is None or len(others) <= most:
        return others
    units, sizes = np.unique(list(others.values()), return_counts=True)
    order = np.random.default_rng(seed).permutation(len(units))
    drawn = set(units[order[np.cumsum(sizes[order]) <= most]].tolist())
    return {chunk for chunk, unit in others.items() if unit in drawn}


def _names(keys: Sequence[str]) -> str:
    return ", ".join(map(repr, keys[:SHOWN]))
