"""Run a map over the rows of Parquet files, here or on a Ray cluster, block by block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from query_adapters.embedders.batching import check_at_least_one
from query_adapters.errors import AdapterMismatchError, InvalidDatasetError, QueryAdaptersError
from query_adapters.pipelines.batch_map import BatchMap
from query_adapters.pipelines.footers import Source
from query_adapters.pipelines.on_ray import run_on_ray
from query_adapters.pipelines.origin import history
from query_adapters.pipelines.output import OutputFolder
from query_adapters.pipelines.parquet import Block, ParquetRows


@dataclass(frozen=True)
class MappedParquet:
    """What `map_parquet` has written.

    Attributes:
        folder: The folder, whose files are in the order of the input.
        n_rows: Rows in it.
        n_blocks: Blocks, of one file each.
        n_resumed: Blocks that earlier runs had finished.
    """

    folder: Path
    n_rows: int
    n_blocks: int
    n_resumed: int

    def __str__(self) -> str:
        earlier = f", {self.n_resumed} of them by earlier runs" if self.n_resumed else ""
        return f"{self.folder}: {self.n_rows:,} rows in {self.n_blocks} blocks{earlier}"


@dataclass(frozen=True)
class Job:
    """The work on any block of a run, the same here and on a worker of a cluster.

    Attributes:
        batch_map: What maps the batches.
        rows: The input.
        output: The folder of results.
        columns: Columns to read.
        kept: Columns to write.
        identity: What the map does, `identity_of`, where the run was started.
    """

    batch_map: BatchMap
    rows: ParquetRows
    output: OutputFolder
    columns: Sequence[str]
    kept: Sequence[str]
    identity: Mapping[str, Any]

    def run(self, block: Block) -> None:
        """Map and write a block, unless that is done already."""
        if self.output.is_finished(block):  # by a worker that died before it could say so
            return
        self._check_identity()
        tables = self.rows.read(block, self.columns, batch_rows=self.batch_map.batch_rows)
        try:
            self.output.write(block, (self.batch_map(table).select(self.kept) for table in tables))
        except QueryAdaptersError as error:
            path = self.rows.footers[block.file].path
            error.add_note(f"in {path}, rows from {block.start}; finished blocks are kept")
            raise

    def _check_identity(self) -> None:
        """Check that a model that is loaded by name is the same on every machine."""
        found = identity_of(self.batch_map)
        if found != self.identity:
            raise AdapterMismatchError(
                f"expected {dict(self.identity)} on every worker, as where the run was started, "
                f"got {found}; install the same model everywhere"
            )


def map_parquet(
    batch_map: BatchMap,
    source: Source,
    output: str | Path,
    *,
    keep: Sequence[str] | None = None,
    block_rows: int | None = None,
    ray: Mapping[str, Any] | None = None,
    show_progress: bool = False,
) -> MappedParquet:
    """Return what was written: the mapped rows, as one Parquet file per block of rows.

    A block is finished as a whole, or not at all. A run that was interrupted and is started again
    goes on with the unfinished blocks. Here and on Ray, the same code maps and writes a block, so
    results are equal where processors, versions and numbers of BLAS threads are.

    Args:
        batch_map: What to do: `EmbedTexts`, `AdaptVectors`, `SearchDocuments`, `EvaluateSystems`,
            or a `BatchMap` of your own.
        source: Parquet files; on Ray, every worker must see them under this path.
        output: Folder to write; on Ray, every worker must see it under this path.
        keep: Columns to write beside those of the map; None for all of the input.
        block_rows: Rows of a block; by default as the map prefers. Memory holds one block, or a
            part of it, per worker.
        ray: None to map one block after the other in this process. Otherwise arguments of Ray
            Data's `map_batches`, such as `{"concurrency": 4, "num_gpus": 1}`; `{}` for its
            defaults. Ray connects to a cluster as `ray.init` does, unless it is connected already.
        show_progress: Whether to show a progress bar; Ray shows its own.

    Raises:
        DimensionMismatchError: If files differ in the length of vectors, or other vectors are
            needed.
        FileNotFoundError: If there is no such source.
        InvalidDatasetError: If the source has no rows or lacks a column, or the folder is of
            another run or in use.
        MissingExtraError: If `ray` is given and Ray is not installed.
    """
    check_at_least_one(block_rows=block_rows)
    rows = ParquetRows(source)
    _check(batch_map, rows, keep)
    size = block_rows or batch_map.block_rows
    job = _job(batch_map, rows, OutputFolder(Path(output).absolute()), keep)
    blocks = rows.blocks(size)
    with job.output.opened(_record(job, block_rows=size)):
        missing = [block for block in blocks if not job.output.is_finished(block)]
        if missing and ray is not None:
            run_on_ray(job.run, missing, ray)
        elif missing:
            for block in tqdm(missing, desc="Mapping blocks", disable=not show_progress):
                job.run(block)
        return _finished(job, blocks, n_resumed=len(blocks) - len(missing))


def _check(batch_map: BatchMap, rows: ParquetRows, keep: Sequence[str] | None) -> None:
    rows.check_columns([*batch_map.reads, *(rows.columns if keep is None else keep)])
    batch_map.check(rows)


def _job(
    batch_map: BatchMap, rows: ParquetRows, output: OutputFolder, keep: Sequence[str] | None
) -> Job:
    kept = rows.columns if keep is None else keep
    return Job(
        batch_map,
        rows,
        output,
        columns=list(dict.fromkeys([*kept, *batch_map.reads])),
        kept=list(dict.fromkeys([*kept, *batch_map.writes])),
        identity=identity_of(batch_map),
    )


def identity_of(batch_map: BatchMap) -> dict[str, Any]:
    """Return what the map does: its identity, and the columns that it reads and writes."""
    columns = {"reads": [*batch_map.reads], "writes": [*batch_map.writes]}
    return {**batch_map.identity, **columns}


def _record(job: Job, *, block_rows: int) -> dict[str, Any]:
    """Return what determines the content of every file of a run."""
    return {
        "map": job.identity,
        "columns": job.kept,
        "block_rows": block_rows,
        "input": job.rows.fingerprint,
        "history": history(job.rows),
    }


def _finished(job: Job, blocks: Sequence[Block], *, n_resumed: int) -> MappedParquet:
    """Return what was written, after a look at the footers of all files."""
    written = ParquetRows(job.output.path)
    written.check_same_types(job.batch_map.writes)
    if written.n_rows != job.rows.n_rows:
        raise InvalidDatasetError(
            f"{job.output.path}: expected {job.rows.n_rows} rows in {len(blocks)} files, got "
            f"{written.n_rows} in {len(written.footers)}; remove the folder and run again"
        )
    return MappedParquet(job.output.path, written.n_rows, len(blocks), n_resumed)
