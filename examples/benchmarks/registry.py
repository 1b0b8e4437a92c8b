"""Kill processes that push and promote, and check that the registry has lost and mixed up nothing.

In each round, processes push adapters and move aliases of one registry, forward and back, delete
versions and sweep, and each is killed with SIGKILL at a random moment. Each process notes the moves
that `promote` and `rollback` have confirmed. Checked after the last round:

- every alias names a version whose files are all there, with the right hash;
- every move that was confirmed is in the history, whose numbers have no gap;
- after a sweep without grace time, no file is left that belongs to no version.

    python examples/benchmarks/registry.py
    python examples/benchmarks/registry.py --rounds 25 --s3  # needs s3fs and moto[server]
"""

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import save_adapter
from query_adapters.deployment import AdapterRegistry
from query_adapters.errors import AliasMovedError, RegistryError

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results"
NAMES, ALIASES = ("faq", "tickets"), ("production", "canary")
GRACE = timedelta(minutes=1)  # of sweeps meanwhile; no call takes longer here
CONTENTS = 8


def run(url: str, folder: Path, *, processes: int, rounds: int, life_s: float) -> dict[str, Any]:
    """Return what was done and what is wrong; `life_s` is the longest life of a process."""
    adapters = [_saved(folder / f"adapter{n}", n) for n in range(CONTENTS)]
    _in_child(lambda: _start(url, adapters))
    random, began = Random(0), time.perf_counter()  # noqa: S311
    for first in range(0, rounds * processes, processes):
        children = [
            _forked(partial(_work, url, adapters, folder / f"log{n}", first + n))
            for n in range(processes)
        ]
        deadline = time.perf_counter() + life_s
        random.shuffle(children)
        for n, child in enumerate(children):
            pause = random.uniform(0, 2 * (deadline - time.perf_counter()) / (len(children) - n))
            time.sleep(max(0.0, min(pause, deadline - time.perf_counter())))
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
    seconds = time.perf_counter() - began
    confirmed = [line for log in folder.glob("log*") for line in log.read_text().split("\n")[:-1]]
    checked = _in_child(lambda: _check(url, set(confirmed)))
    return {"processes": processes, "rounds": rounds, "seconds": round(seconds, 1), **checked}


def _saved(folder: Path, number: int) -> Path:
    weight = np.eye(16, dtype=np.float32) * (1 + number)
    return save_adapter(LinearAdapter(weight, keeps_length=False), folder)


def _start(url: str, adapters: list[Path]) -> None:
    for name in NAMES:
        version = AdapterRegistry(url).push(adapters[0], name)
        for alias in ALIASES:
            AdapterRegistry(url).promote(name, version, alias=alias)


def _work(url: str, adapters: list[Path], log: Path, seed: int) -> None:
    """Push and move until killed; a move is noted after it was confirmed."""
    random, registry = Random(seed), AdapterRegistry(url)  # noqa: S311
    notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        name, alias, drawn = random.choice(NAMES), random.choice(ALIASES), random.random()
        try:
            if drawn < 0.8:
                version = registry.push(random.choice(adapters), name)
                move = registry.promote(name, version, alias=alias)
                os.write(notes, f"{move.id}\n".encode())
            elif drawn < 0.9:
                os.write(notes, f"{registry.rollback(name, alias=alias).id}\n".encode())
            elif drawn < 0.95:
                registry.delete(name, random.choice(registry.versions(name)).version)
            else:
                registry.gc(grace=GRACE)
        except AliasMovedError:
            os.write(notes, b"refused\n")
        except (RegistryError, FileNotFoundError, IndexError):
            os.write(notes, b"missing\n")  # in use, or deleted by another process meanwhile


def _check(url: str, confirmed: set[str]) -> dict[str, Any]:
    registry = AdapterRegistry(url)
    broken, moves, gaps = [], [], 0
    registry.gc(grace=timedelta(0))
    for name in NAMES:
        for alias in ALIASES:
            told = registry.history(name, alias=alias)
            gaps += [move.number for move in told] != list(range(1, len(told) + 1))
            moves += [move.id for move in told]
        for alias, version in registry.aliases(name).items():
            try:
                registry.files(name, version)
            except (RegistryError, FileNotFoundError) as error:
                broken.append(f"{name}@{alias}: {error}")
    confirmed = confirmed - {"refused", "missing"}
    return {
        "moves": len(moves),
        "confirmed": len(confirmed),
        "lost": len(confirmed - set(moves)),
        "gaps": gaps,
        "broken": broken,
        "orphans": _orphans(registry),
    }


def _orphans(registry: AdapterRegistry) -> list[str]:
    """Return the keys that belong to no version, alias or marker."""
    keys = registry._objects.keys("")
    manifests = {key.split(".")[-2] for key in keys if "/versions/" in key}
    files = [key for key in keys if "/files/" in key and key.split("/")[3] not in manifests]
    marks = [key for key in keys if "/removed/" in key or key.startswith(".tmp")]
    return [*files, *marks]


def _forked(work: Callable[[], Any]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(1)


def _in_child(work: Callable[[], Any]) -> Any:
    """Return the result of a forked process, so that this one opens no connection itself."""
    context = get_context("fork")
    reading, writing = context.Pipe(duplex=False)
    process = context.Process(target=lambda: writing.send(work()))
    process.start()
    writing.close()
    result = reading.recv()
    process.join()
    return result


@contextmanager
def s3_server() -> Iterator[str]:
    """Yield the URL of a registry on moto's server, one request at a time, so that it is atomic."""
    import s3fs  # noqa: F401  (once, before the forks)
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app))
    child = _forked(server.serve_forever)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
    }
    try:
        _in_child(_make_bucket)
        yield "s3://adapters/registry"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _make_bucket() -> None:
    import s3fs

    s3fs.S3FileSystem().mkdir("adapters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--life", type=float, default=0.25, help="longest life, seconds")
    parser.add_argument("--s3", action="store_true", help="on moto's server instead of a folder")
    options = parser.parse_args()
    given = {"processes": options.processes, "rounds": options.rounds, "life_s": options.life}
    with tempfile.TemporaryDirectory() as folder:
        if options.s3:
            with s3_server() as url:
                found = run(url, Path(folder), **given)
        else:
            found = run(str(Path(folder) / "registry"), Path(folder), **given)
    print(found)
    write_results(RESULTS / ("registry_s3.json" if options.s3 else "registry.json"), found)


if __name__ == "__main__":
    main()
