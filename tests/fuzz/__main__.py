"""Fuzz readers for a while, and keep the smallest input of each failure.

    python -m tests.fuzz json csv --minutes 10      readers by name; all without a name
    python -m tests.fuzz json --guided --minutes 10 guided by coverage; needs `pip install atheris`

The inputs that break a reader are written to `tests/fuzz/corpus/<reader>/`, which tests read again
in every run. Commit them with the correction.
"""

import argparse
import hashlib
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.inputs import inputs
from tests.fuzz.test_readers import CORPUS, NAMES, run, target

ROUND = 200  # inputs drawn at once
LARGEST = 4_000  # bytes of an input that is kept


def failures(name: str, end: float) -> Iterator[tuple[str, bytes]]:
    """Yield the signature and the input of every failure until the time is over."""
    found: list[tuple[str, bytes]] = []

    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(list(target(name).seeds)))
    def draw(content: bytes) -> None:
        if time.monotonic() < end:
            try:
                run(name, content)
            except Exception as error:  # whatever a reader lets through
                found.append((signature(error), content))

    number = 0
    while time.monotonic() < end:
        number += 1
        seed(number)(draw)()
        yield from found
        found.clear()


def signature(error: BaseException) -> str:
    """Return the kind of the error, and where in this package it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/query_adapters/" in frame.filename]
    last = own[-1] if own else frames[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno} {last.line}"


def fuzz(name: str, minutes: float) -> int:
    """Fuzz one reader; return the number of distinct failures."""
    smallest: dict[str, bytes] = {}
    for where, content in failures(name, time.monotonic() + 60 * minutes):
        if where not in smallest or len(content) < len(smallest[where]):
            smallest[where] = content
    for where, content in smallest.items():
        sys.stdout.write(f"{name}: {where}\n    {content[:150]!r}\n")
        keep(name, content)
    sys.stdout.write(f"{name}: {len(smallest)} distinct failures\n")
    return len(smallest)


def keep(name: str, content: bytes) -> None:
    """Write an input to the corpus, unless it is large."""
    if len(content) <= LARGEST:
        folder = CORPUS / name.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)


def guided(name: str, minutes: float) -> None:
    """Fuzz one reader by coverage, until the first failure; never returns."""
    import atheris

    with atheris.instrument_imports(include=["query_adapters"]):
        from tests.fuzz import targets

        reader = targets.targets()[name]
    begin = CORPUS.parent / ".begin" / name.replace(" ", "_")
    begin.mkdir(parents=True, exist_ok=True)
    for number, valid in enumerate(reader.seeds):
        (begin / str(number)).write_bytes(valid)
    options = [f"-max_total_time={int(60 * minutes)}", "-timeout=20", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], *options, str(begin)], lambda content: run(name, content))
    atheris.Fuzz()


def main() -> int:
    """Run the command line; return 1 if a reader failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="reader", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each reader")
    parser.add_argument("--guided", action="store_true", help="by coverage, one reader")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"unknown: {', '.join(unknown)}")
    if options.guided:
        guided(options.names[0], options.minutes)
    return int(any([fuzz(name, options.minutes) for name in options.names or NAMES]))


if __name__ == "__main__":
    sys.exit(main())
