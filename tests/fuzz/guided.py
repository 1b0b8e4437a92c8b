"""Fuzz readers guided by coverage: an input that runs new lines of this package is mutated further.

    python -m tests.fuzz.guided json csv --minutes 10 --result fuzzing.json

The readers share the time: the first byte of an input says whose it is. Needs atheris
(`pip install --group fuzz`). Failures do not end the run; their smallest inputs are kept as
`python -m tests.fuzz` keeps them.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import atheris

from tests.fuzz.found import CORPUS, Found
from tests.fuzz.structure import replaced

LIMITS = ("-timeout=60", "-rss_limit_mb=6000", "-max_len=8192", "-print_final_stats=0")

with atheris.instrument_imports(include=["query_adapters"]):
    from tests.fuzz.test_readers import NAMES, run, target


class Guided:
    """One run over some readers, which ends the process.

    Args:
        names: The readers.
        seconds: How long, of wall time.
        result: A file for the numbers of executions; none without.
    """

    def __init__(self, names: Sequence[str], *, seconds: float, result: Path | None) -> None:
        self.names, self.seconds, self.result = names, seconds, result
        self.found = Found()
        self.executions: Counter[str] = Counter()
        self.end_at = float("inf")

    def one(self, tagged: bytes) -> None:
        """Run one input, whose first byte says which reader gets the others."""
        if time.monotonic() > self.end_at:
            self.end()
        if tagged:
            name, content = self.names[tagged[0] % len(self.names)], tagged[1:]
            self.executions[name] += 1
            try:
                run(name, content)
            except Exception as error:  # whatever a reader lets through
                self.found.add(name, content, error)

    def begin(self, folder: Path) -> None:
        """Write the inputs that libFuzzer begins with, valid ones and those once found; run them.

        The time starts after that.
        """
        for number, name in enumerate(self.names):
            known = [path.read_bytes() for path in CORPUS.glob(f"{name.replace(' ', '_')}/*")]
            with atheris.instrument_imports(include=["query_adapters"]):
                for place, content in enumerate([*target(name).seeds, *known]):
                    self.one(bytes([number]) + content)  # imports what is imported late
                    (folder / f"{number}-{place}").write_bytes(bytes([number]) + content)
        self.end_at = time.monotonic() + self.seconds

    def end(self) -> None:
        """Say what was found, and leave libFuzzer, which does not return."""
        failed = self.found.keep()
        summary = {
            "executions": {name: self.executions[name] for name in self.names},
            "seconds": self.seconds,
            "failures": failed,
        }
        sys.stdout.write(json.dumps(summary) + "\n")
        if self.result is not None:
            self.result.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        sys.stdout.flush()
        os._exit(min(failed, 1))


def mutated(tagged: bytes, most: int, seed: int) -> bytes:
    """Return the input with one value of its JSON changed, or changed as libFuzzer does."""
    source = random.Random(seed)  # noqa: S311, no secret
    if source.random() < 0.5:
        changed = replaced(tagged[1:], source)
        if changed is not None and len(changed) < most:
            return tagged[:1] + changed
    return bytes(atheris.Mutate(tagged, most))


def main() -> None:
    """Run the command line; the status is 1 if a reader failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="reader", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all of them together")
    parser.add_argument("--result", type=Path, help="a file for the numbers of executions")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"unknown: {', '.join(unknown)}")
    warnings.simplefilter("ignore")
    guided = Guided(options.names, seconds=60 * options.minutes, result=options.result)
    folder = Path(tempfile.mkdtemp())
    guided.begin(folder)
    arguments = [sys.argv[0], *LIMITS, f"-artifact_prefix={folder}/", str(folder)]
    atheris.Setup(arguments, guided.one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
