"""Build a lexical index of synthetic texts, update it and search it, on one core.

A text has 20 to 180 words. The word of rank r has a share of about 1 / r (Zipf's law), and the
words are stemmed as English. A question is twelve words of one of the texts. The script prints and
saves seconds, the peak memory of the process after each step, the size on disk, and the median
milliseconds of a question: the scores of all documents, the top 100, and the scores of 200 ids.

    python examples/benchmarks/lexical.py --documents 100000
    python examples/benchmarks/lexical.py --documents 1000000

Each number of documents keeps its own row in the file of results.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import installed, write_results

from query_adapters.lexical import LexicalIndex, Tokenizer

RESULTS = Path(__file__).parent / "results" / "lexical.json"
AT_ONCE, N_WORDS, CHANGED = 5_000, 500_000, 0.01
QUESTIONS, QUESTION_WORDS, TOP, BY_ID = 200, 12, 100, 200
LETTERS = np.array(list("abcdefghijklmnoprstuvz"))


def words(rng: np.random.Generator) -> list[str]:
    lengths = rng.integers(2, 12, size=N_WORDS)
    return ["".join(LETTERS[rng.integers(len(LETTERS), size=length)]) for length in lengths]


def texts(known: list[str], rng: np.random.Generator, n: int) -> list[str]:
    lengths = rng.integers(20, 181, size=n)
    ranks = (N_WORDS ** rng.random(lengths.sum())).astype(np.int64) - 1
    drawn = iter(ranks.tolist())
    return [" ".join(known[next(drawn)] for _ in range(length)) for length in lengths]


def blocks(known: list[str], rows: int, seed: int) -> Iterator[tuple[list[str], list[str]]]:
    rng = np.random.default_rng(seed)
    for start in range(0, rows, AT_ONCE):
        size = min(AT_ONCE, rows - start)
        yield [f"chunk-{row}" for row in range(start, start + size)], texts(known, rng, size)


def peak_gib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def latencies(index: LexicalIndex, questions: list[str]) -> dict[str, float]:
    rng = np.random.default_rng(2)
    index.match(questions[0]).of(["chunk-0"])  # the ids are looked up for the first time
    seconds = []
    for question in questions:
        wanted = [index.ids[row] for row in rng.integers(len(index), size=BY_ID)]
        matched, match = timed(lambda question=question: index.match(question))
        ranked, _ = timed(lambda match=match: match.top(TOP))
        scored, _ = timed(lambda match=match, wanted=wanted: match.of(wanted))
        seconds.append((matched, ranked, scored, matched + ranked + scored))
    names = ("match", "top_100", "scores_of_200", "all")
    medians = dict(zip(names, np.median(seconds, axis=0).tolist(), strict=True))
    medians["all_95th_percentile"] = float(np.quantile([row[3] for row in seconds], 0.95))
    return {name: round(1_000 * value, 2) for name, value in medians.items()}


def build_and_save(known: list[str], documents: int, folder: str) -> dict[str, Any]:
    making = [0.0]  # seconds spent on the texts themselves

    def timed_blocks() -> Iterator[tuple[list[str], list[str]]]:
        source = blocks(known, documents, 1)
        while True:
            seconds, block = timed(lambda: next(source, None))
            making[0] += seconds
            if block is None:
                return
            yield block

    building, index = timed(
        lambda: LexicalIndex.build(timed_blocks(), tokenizer=Tokenizer("english"))
    )
    peak = peak_gib()
    saving, _ = timed(lambda: index.save(folder))
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return {
        "documents": documents,
        "different_tokens": len(index.counts.vocabulary),
        "postings": len(index.weights),
        "build_seconds": round(building - making[0], 1),
        "save_seconds": round(saving, 1),
        "mib_on_disk": round(size / 2**20),
        "peak_gib_after_build": peak,
    }


def measured(documents: int) -> dict[str, Any]:
    known = words(np.random.default_rng(0))
    changed = list(blocks(known, int(CHANGED * documents), 3))
    asked = [
        " ".join(text.split()[:QUESTION_WORDS])
        for text in texts(known, np.random.default_rng(4), QUESTIONS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        built = build_and_save(known, documents, folder)
        loading, index = timed(lambda: LexicalIndex.load(folder))
        milliseconds = latencies(index, asked)
        updating, _ = timed(lambda: index.updated(changed))
    return {
        **built,
        "load_seconds": round(loading, 2),
        "milliseconds_a_question": milliseconds,
        "seconds_to_update_1_percent": round(updating, 1),
        "peak_gib_after_update": peak_gib(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()

    row = measured(options.documents)
    rows = json.loads(options.results.read_text())["rows"] if options.results.exists() else []
    rows = [other for other in rows if other["documents"] != row["documents"]] + [row]
    packages = {name: installed(name) for name in ("bm25s", "PyStemmer")}
    ordered = sorted(rows, key=lambda other: other["documents"])
    write_results(options.results, {"rows": ordered, "packages": packages})
    Console().print(row)


if __name__ == "__main__":
    main()
