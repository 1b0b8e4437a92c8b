"""Measure training on labels of documents against labels of their chunks.

Documents are cut into chunks of 64 and of 256 tokens (words and punctuation marks), and one
adapter each is trained on labels of the documents (`units`) and on labels of single chunks. Both
search the same chunks and are scored by nDCG@10 over documents, each at its best chunk. Data sets,
from folders in BEIR's layout:

- scifact: documents are abstracts. No chunk labels exist, so the chunk labels are an oracle's: the
  chunk of the labelled abstract that is nearest to the question.
- lyft_uber passages: documents are the passages that the questions were written for; chunk labels
  as for scifact. Half of the questions train.
- lyft_uber pages: documents are five consecutive passages. The chunk labels are real: all chunks of
  the passage that the question was written for. Half of the questions train.

    python examples/benchmarks/units.py FOLDER --model wordllama
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from quality_cases import sample
from quality_models import MODELS, Model
from rich.console import Console
from rich.table import Table

from query_adapters import EmbeddedDataset, EmbeddingCache, RetrievalDataset
from query_adapters.adapters import QueryAdapter
from query_adapters.data.formats import read_beir
from query_adapters.data.splits import query_groups
from query_adapters.data.units import Units
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import AdapterTrainer
from query_adapters.training.candidates import Candidate, ViewScore
from query_adapters.training.memory import MEMORIES
from query_adapters.typing import Rows

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "units.json"
CACHE = Path(tempfile.gettempdir()) / "units_benchmark.sqlite"
METRIC = "ndcg@10"
CHUNK_SIZES = (64, 256)
PASSAGES_PER_PAGE = 5
TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """Questions with labels on documents, and documents made of passages.

    Attributes:
        name: Name of the data set.
        train: Training questions over passages.
        test: Test questions over the same passages.
        document_of: The document of a passage.
        are_chunks_labelled: Whether a label on a passage is a label on its chunks, because a
            document is larger than a passage.
    """

    name: str
    train: RetrievalDataset
    test: RetrievalDataset
    document_of: Callable[[str], str]
    are_chunks_labelled: bool


def cut(text: str, size: int) -> list[str]:
    """Return the text in parts of `size` tokens; a last part below half is joined."""
    starts = [match.start() for match in TOKEN.finditer(text)][::size]
    rest = len(TOKEN.findall(text)) % size
    if len(starts) > 1 and 0 < rest < size / 2:
        starts.pop()
    ends = [*starts[1:], len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def read(folder: Path) -> Iterator[Case]:
    """Yield the cases."""
    train, test = (read_beir(folder / "scifact", split=split) for split in ("train", "test"))
    yield Case(
        name="scifact",
        train=sample(train, 2_500),
        test=test,
        document_of=lambda key: key,
        are_chunks_labelled=False,
    )
    parts = [read_beir(folder / "lyft_uber", split=split) for split in ("train", "test")]
    queries = {**parts[0].queries, **parts[1].queries}
    both = RetrievalDataset(queries, parts[0].corpus, {**parts[0].qrels, **parts[1].qrels})
    order = np.random.default_rng(0).permutation(len(queries))
    halves = [both.select([list(queries)[row] for row in rows]) for rows in np.split(order, 2)]
    page_of = {key: f"page {row // PASSAGES_PER_PAGE}" for row, key in enumerate(both.corpus)}
    for name, document_of, labelled in (
        ("lyft_uber passages", lambda key: key, False),
        ("lyft_uber pages", page_of.__getitem__, True),
    ):
        yield Case(
            name=name,
            train=halves[0],
            test=halves[1],
            document_of=document_of,
            are_chunks_labelled=labelled,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """A case whose passages are cut into chunks.

    Attributes:
        passages: The passage of each chunk.
        units: The document of each chunk.
        train: Training questions with labels on documents.
        test: Test questions with labels on documents.
        by_chunk: Training questions with labels on chunks.
    """

    passages: Units
    units: Units
    train: EmbeddedDataset
    test: EmbeddedDataset
    by_chunk: EmbeddedDataset


def embedded(case: Case, size: int, model: Model, cache: EmbeddingCache) -> Cut:
    chunks = [
        (key, text) for key, passage in case.train.corpus.items() for text in cut(passage, size)
    ]
    vectors = cache.embed_documents(model, [text for _, text in chunks], show_progress=True)
    passages = Units.of(key for key, _ in chunks)
    units = Units.of(case.document_of(key) for key, _ in chunks)

    def questions(dataset: RetrievalDataset) -> EmbeddedDataset:
        labels = [
            np.unique([units.number_of[case.document_of(key)] for key in dataset.qrels[query]])
            for query in dataset.queries
        ]
        queries = cache.embed_queries(model, list(dataset.queries.values()))
        groups = query_groups(dataset)
        return EmbeddedDataset(queries, vectors, tuple(labels), (), groups, units.unit_of)

    train = questions(case.train)
    by_chunk = [
        np.concatenate(
            [np.flatnonzero(passages.unit_of == passages.number_of[key]) for key in keys]
        )
        if case.are_chunks_labelled
        else nearest(train, row)
        for row, keys in enumerate(case.train.qrels[query] for query in case.train.queries)
    ]
    return Cut(
        passages=passages,
        units=units,
        train=train,
        test=questions(case.test),
        by_chunk=EmbeddedDataset(train.queries, vectors, tuple(by_chunk), (), train.query_groups),
    )


def nearest(dataset: EmbeddedDataset, query: int) -> Rows:
    """Return the chunk of each relevant document that is nearest to the query."""
    rows = dataset.rows_of(dataset.relevant[query])
    scores = dataset.documents[rows.rows] @ dataset.queries[query]
    return np.array([rows.rows[span][scores[span].argmax()] for span in rows.spans()])


def measured(part: Cut, train: EmbeddedDataset, learner: str) -> dict[str, Any]:
    """Return the gain of an adapter on the test questions."""
    began = time.perf_counter()
    adapter = LEARNERS[learner](train)
    base = evaluate_vectors(part.test, metrics=[METRIC])
    adapted = evaluate_vectors(part.test, adapter, metrics=[METRIC])
    gain = ViewScore.of(adapted.per_query[METRIC] - base.per_query[METRIC])
    return {
        "gain": round(100 * gain.mean, 2),
        "error": round(100 * gain.error, 2),
        "seconds": round(time.perf_counter() - began, 1),
    }


def fixed(candidate: Candidate) -> Callable[[EmbeddedDataset], QueryAdapter]:
    """Return a learner that fits one candidate, without selection."""

    def fitted(train: EmbeddedDataset) -> QueryAdapter:
        grid = AdapterTrainer(whitenings=(candidate.whitening,)).grid(train, None)
        return grid.fit(train, candidate).as_adapter(train.queries)

    return fitted


LEARNERS: dict[str, Callable[[EmbeddedDataset], QueryAdapter]] = {
    "linear": fixed(Candidate(0.15, 0.1)),
    "memory": fixed(Candidate(0.15, 0.3, MEMORIES[0])),
    "selected": lambda train: AdapterTrainer().fit(train).adapter,
}


def compared(case: Case, size: int, part: Cut, learner: str) -> dict[str, Any]:
    base = evaluate_vectors(part.test, metrics=[METRIC])
    return {
        "set": case.name,
        "tokens": size,
        "learner": learner,
        "documents": part.train.n_units,
        "chunks": len(part.train.documents),
        "questions": len(part.train.queries),
        "base": round(100 * base.means[METRIC], 2),
        "document labels": measured(part, part.train, learner),
        "chunk labels": measured(part, part.by_chunk, learner),
    }


def table_of(rows: list[dict[str, Any]]) -> Table:
    table = Table("set", "tokens", "learner", "base", "document labels", "chunk labels", "share")
    for row in rows:
        units, chunks = (row[key] for key in ("document labels", "chunk labels"))
        table.add_row(
            row["set"],
            str(row["tokens"]),
            row["learner"],
            f"{row['base']:.1f}",
            *(f"{part['gain']:+.1f} ± {part['error']:.1f}" for part in (units, chunks)),
            f"{units['gain'] / chunks['gain']:.2f}" if chunks["gain"] > 0 else "-",
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds scifact and lyft_uber")
    parser.add_argument("--model", choices=MODELS, default="wordllama")
    parser.add_argument("--sets", nargs="+", help="names of sets, or how they begin; default all")
    parser.add_argument("--sizes", type=int, nargs="+", default=CHUNK_SIZES)
    parser.add_argument("--learners", choices=LEARNERS, nargs="+", default=list(LEARNERS))
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    model, cache = MODELS[options.model](), EmbeddingCache(options.cache)
    rows: list[dict[str, Any]] = []
    for case in read(options.folder):
        if options.sets is not None and not case.name.startswith(tuple(options.sets)):
            continue
        for size in options.sizes:
            part = embedded(case, size, model, cache)
            rows += [compared(case, size, part, learner) for learner in options.learners]
            write_results(
                options.output, {"model": model.model_name, "metric": METRIC, "rows": rows}
            )
    Console().print(table_of(rows))


if __name__ == "__main__":
    main()
