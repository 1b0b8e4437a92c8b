"""Fuzz readers for a while, and keep the smallest input of each failure.

    python -m tests.fuzz json csv --minutes 10          readers by name; all without a name
    python -m tests.fuzz.guided json csv --minutes 10   guided by coverage; needs atheris

The inputs that break a reader are written to `tests/fuzz/corpus/<reader>/`, which tests read again
in every run. Commit them with the correction.
"""

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.found import Found
from tests.fuzz.inputs import inputs
from tests.fuzz.test_readers import NAMES, run, target

ROUND = 200  # inputs drawn at once


def fuzz(name: str, minutes: float) -> int:
    """Fuzz one reader; return the number of distinct failures."""
    found, end = Found(), time.monotonic() + 60 * minutes

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
                found.add(name, content, error)

    number = 0
    while time.monotonic() < end:
        number += 1
        seed(number)(draw)()
    sys.stdout.write(f"{name}: {len(found.smallest)} distinct failures\n")
    return found.keep()


def main() -> int:
    """Run the command line; return 1 if a reader failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="reader", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each reader")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"unknown: {', '.join(unknown)}")
    return int(any([fuzz(name, options.minutes) for name in options.names or NAMES]))


if __name__ == "__main__":
    sys.exit(main())
