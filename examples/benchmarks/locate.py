"""Place answers in chunks: how many rightly, by character offsets, and how fast, on one core.

    python examples/benchmarks/locate.py FOLDER --chunks 100000

`FOLDER` is a data set in BEIR's layout. Its documents, joined in order, are cut anew in four ways.
Answers are runs of one to three sentences of at least eight words in all, copied as they are, with
another layout (case, line breaks, hyphenation) or with typing errors. The truth are offsets in the
joined text: an answer is placed rightly if the chunk that overlaps it most is labelled. Filings
repeat sentences, so a label may also be on a copy elsewhere; a label is wrong if its chunk holds no
such text (partial ratio below 90). Without `FOLDER`, only the time is measured: of synthetic chunks
of 20 to 180 words (as in lexical.py) and 1,000 answers, half of them with typing errors.
"""

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lexical import peak_gib, texts, words
from rapidfuzz import fuzz
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import installed, write_results

from query_adapters.locating import Located, Match, locate
from query_adapters.locating.folding import fold

RESULTS = Path(__file__).parent / "results" / "locate.json"
N_ANSWERS, AT_ONCE, ERRORS, LEAST_OVERLAP, COPY = 1_000, 5_000, 0.02, 0.2, 90
SENTENCE = re.compile(r"[^.!?•]+[.!?•]+\s*")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
Span = tuple[int, int]


@dataclass(frozen=True)
class Cut:
    """A text cut into chunks."""

    text: str
    spans: dict[str, Span]

    @property
    def chunks(self) -> dict[str, str]:
        return {key: self.text[start:stop] for key, (start, stop) in self.spans.items()}

    def overlap(self, key: str, answer: Span) -> int:
        start, stop = self.spans[key]
        return max(0, min(stop, answer[1]) - max(start, answer[0]))

    def holders(self, answer: Span) -> set[str]:
        length = answer[1] - answer[0]
        return {
            key
            for key, (start, stop) in self.spans.items()
            if self.overlap(key, answer) >= LEAST_OVERLAP * min(stop - start, length)
        }


def joined(folder: Path) -> str:
    lines = (folder / "corpus.jsonl").read_text("utf-8").splitlines()
    return " ".join(json.loads(line)["text"] for line in lines)


def windows(text: str, unit: re.Pattern[str], size: int, overlap: int) -> Cut:
    found = [match.span() for match in unit.finditer(text)]
    starts = range(0, len(found), size - overlap)
    pieces = [found[start : start + size] for start in starts]
    return Cut(text, {f"chunk-{row}": (p[0][0], p[-1][1]) for row, p in enumerate(pieces)})


def another_layout(text: str, rng: np.random.Generator) -> str:
    changed = text.upper() if rng.random() < 0.5 else text.lower()
    spaced = changed.replace(" ", "  \n" if rng.random() < 0.5 else "\t")
    return re.sub(r"(\w{4})(\w{4})", "\\1-\n\\2", spaced, count=3)


def mistyped(text: str, rng: np.random.Generator) -> str:
    letters = list(text)
    for place in np.flatnonzero(rng.random(len(letters)) < ERRORS):
        if letters[place].isalpha():
            letters[place] = str(rng.choice(["", LETTERS[rng.integers(26)], letters[place] * 2]))
    return "".join(letters)


def answers(text: str, rng: np.random.Generator) -> list[Span]:
    found = [match.span() for match in SENTENCE.finditer(text)]
    rows = rng.choice(len(found) - 3, N_ANSWERS, replace=False)
    spans = [(found[row][0], found[row + int(rng.integers(3))][1]) for row in rows]
    return [(start, stop) for start, stop in spans if len(fold(text[start:stop])) >= 8]


def score(cut: Cut, spans: list[Span], found: Located) -> dict[str, Any]:
    truth = [cut.holders(span) for span in spans]
    counts: Counter[str] = Counter()
    errors = []
    for one in found.placed:
        row = int(one.question.question)
        start, stop = spans[row]
        best = max(truth[row], key=lambda key: cut.overlap(key, spans[row]))
        labelled = {match.chunk for match in one.matches}
        counts["placed_rightly"] += best in labelled
        counts["holding"] += len(truth[row])
        for match in one.matches:
            if match.chunk in truth[row]:
                counts["right"] += 1
                errors.append(
                    abs(match.share - cut.overlap(match.chunk, spans[row]) / (stop - start))
                )
            else:
                counts["repeated" if repeats(one.text, match) else "wrong"] += 1
    return {
        "answers": len(spans),
        "placed": len(found.placed),
        "placed_rightly": counts["placed_rightly"],
        "unplaced_and_reported": len(found.unplaced),
        "ambiguous_and_reported": len(found.ambiguous),
        "labels_on_chunks_of_the_answer": counts["right"],
        "of": counts["holding"],
        "labels_on_copies_elsewhere": counts["repeated"],
        "wrong_labels": counts["wrong"],
        "mean_error_of_a_grade": round(float(np.mean(errors)), 4),
    }


def repeats(answer: str, match: Match) -> bool:
    """Return whether the chunk holds that part of the answer, whatever its spaces."""
    part = " ".join(fold(answer))[match.start : match.stop]
    chunk = "".join(fold(match.text))
    return fuzz.partial_ratio(part.replace(" ", ""), chunk) >= COPY


def quality(folder: Path) -> list[dict[str, Any]]:
    text = joined(folder)
    word = re.compile(r"\S+")
    cuts = {
        "64 words": windows(text, word, 64, 0),
        "128 words, 32 shared": windows(text, word, 128, 32),
        "256 words, 64 shared": windows(text, word, 256, 64),
        "5 sentences, 1 shared": windows(text, SENTENCE, 5, 1),
    }
    rng = np.random.default_rng(0)
    spans = answers(text, rng)
    copies: dict[str, Callable[[str, np.random.Generator], str]] = {
        "as it is": lambda copied, _: copied,
        "another layout": another_layout,
        "2 % of letters wrong": mistyped,
    }
    rows = []
    for copy, change in copies.items():
        asked = [(str(row), change(text[slice(*span)], rng)) for row, span in enumerate(spans)]
        for name, cut in cuts.items():
            found = locate(asked, cut.chunks)
            rows.append({"chunks": name, "answer": copy, **score(cut, spans, found)})
            Console().print(rows[-1])
    return rows


def timing(n_chunks: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    known = words(np.random.default_rng(0))
    blocks = [
        ([f"chunk-{row}" for row in range(start, start + AT_ONCE)], texts(known, rng, AT_ONCE))
        for start in range(0, n_chunks, AT_ONCE)
    ]
    asked = []
    for row in range(N_ANSWERS):
        ids, held = blocks[row % len(blocks)]
        place = int(rng.integers(len(ids)))
        answer = " ".join(held[place].split()[:40])
        asked.append((f"{ids[place]} {row}", mistyped(answer, rng) if row % 2 else answer))
    before, start, cpu = peak_gib(), time.perf_counter(), time.process_time()
    found = locate(asked, blocks)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    rightly = sum(key.split()[0] == next(iter(grades)) for key, grades in found.qrels.items())
    return {
        "chunks": n_chunks,
        "answers": len(asked),
        "seconds": round(seconds, 1),
        "seconds_of_cpu": round(cpu, 1),
        "placed_rightly": rightly,
        "peak_gib_with_the_texts": before,
        "peak_gib_after": peak_gib(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="data set in BEIR's layout")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()

    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    speed = timing(options.chunks)
    Console().print(speed)
    rows = results.get("rows", []) if options.folder is None else quality(options.folder)
    packages = {"rapidfuzz": installed("rapidfuzz")}
    write_results(options.results, {"timing": speed, "rows": rows, "packages": packages})


if __name__ == "__main__":
    main()
