"""Play a week of simulated users against the service, on a simulated clock, and write its page.

    python -m examples.service.week

Each day users ask over HTTP, click what they look at, and the night's work is done. On the morning
of one day somebody puts an adapter with damaged weights into the canary by hand. The week ends with
an error if it is not rolled back, or if nothing is promoted.
"""

import argparse
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import httpx
import numpy as np
import uvicorn
from rich.console import Console

from examples.service.app import create_app
from examples.service.data import TENANTS, read
from examples.service.nightly import DAY, SHOWN, Night, read_nights, run_night
from examples.service.retrieval import CANARY, PAGE, Retrieval, Settings
from examples.service.users import Users
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import read_adapter, save_adapter
from query_adapters.evaluation import evaluate_run

MONDAY = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
DAYS = 7
HARMED, HARMED_ON = "acme", 4  # the tenant, and the day of the harmful canary, from 0 on
METRICS = (f"ndcg@{PAGE}", f"hit_rate@{PAGE}")
console = Console(highlight=False)


@dataclass
class Clock:
    """A clock that stands until somebody sets it."""

    now: float = MONDAY

    def __call__(self) -> float:
        return self.now


@contextmanager
def served(retrieval: Retrieval) -> Iterator[httpx.Client]:
    """Serve in a thread, on a free port, and yield a client."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        config = uvicorn.Config(create_app(lambda: retrieval), log_level="warning")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [free]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{free.getsockname()[1]}") as client:
                while client.get("/ready").status_code != 200:
                    time.sleep(0.05)
                yield client
        finally:
            server.should_exit = True
            thread.join()


def play_day(
    client: httpx.Client, users: Users, clock: Clock, tenant: str, day: int, n: int
) -> dict[str, float]:
    """Let `n` users ask and click, and return the means over what they were shown."""
    run, qrels = {}, {}
    for number, question in enumerate(users.questions(tenant, day, n)):
        clock.now = MONDAY + day * DAY + (8 + 10 * number / n) * 3_600
        session = f"{tenant}-{day}-{number}"
        asked = {"text": users.truth.queries[question], "session": session}
        answer = client.post(f"/{tenant}/questions", json=asked).raise_for_status().json()
        run[session] = [result["id"] for result in answer["results"]]
        qrels[session] = users.truth.qrels[question]
        clicked = users.clicks(question, run[session])
        for document in clicked:
            click = {"shown": answer["shown"], "document": document}
            client.post(f"/{tenant}/feedback", json=click).raise_for_status()
        if found := users.asks_support(question, clicked):
            answered = {"text": asked["text"], "document": found}
            client.post(f"/{tenant}/answers", json=answered).raise_for_status()
    return evaluate_run(run, qrels, metrics=METRICS).means


def put_harmful(retrieval: Retrieval, tenant: str) -> str:
    """Put an adapter with damaged weights into the canary, past every check; return its version."""
    registry = retrieval.registry
    saved = read_adapter(registry.uri(tenant))
    weight = np.eye(saved.adapter.dim_in)
    damage = np.random.default_rng(0).normal(scale=0.2, size=weight.shape)
    with TemporaryDirectory() as folder:
        save_adapter(replace(saved, adapter=LinearAdapter(weight + damage)), folder)
        version = registry.push(folder, tenant, by="somebody")
    reason = "by hand, after an export that damaged the weights"
    registry.promote(tenant, version, alias=CANARY, reason=reason, by="somebody")
    retrieval.refresh()
    return version


def play_week(retrieval: Retrieval, clock: Clock, users: Users, n: int) -> str:
    """Play the week, and return the harmful version."""
    harmful = ""
    retrieval.embedder.embed_queries([*users.truth.queries.values()])  # at once, into the cache
    with served(retrieval) as client:
        for day in range(DAYS):
            if day == HARMED_ON:
                harmful = put_harmful(retrieval, HARMED)
            for tenant in TENANTS:
                measured = play_day(client, users, clock, tenant, day, n)
                clock.now = MONDAY + (day + 1) * DAY - 1
                console.print(as_line(run_night(retrieval, tenant, measured=measured)))
            retrieval.refresh()
        written = client.get("/").raise_for_status().text
    (retrieval.settings.folder / "page.html").write_text(written, encoding="utf-8")
    return harmful[:SHOWN]


def as_line(night: Night) -> str:
    ndcg = night.measured[METRICS[0]]
    said = f"{night.decision}: {night.test}" if night.decision else night.training
    return f"{night.day} {night.tenant:7}{night.n_questions:5} questions, nDCG {ndcg:.3f}  {said}"


def check(nights: list[Night], harmful: str) -> None:
    """Check that the harmful version was rolled back, and that every tenant got a better one."""
    rolled_back = {night.canary for night in nights if night.decision == "rolled back"}
    promoted = {(night.tenant, night.canary) for night in nights if night.decision == "promoted"}
    if harmful not in rolled_back or harmful in {canary for _, canary in promoted}:
        raise SystemExit(f"the harmful version {harmful} was not rolled back")
    if {tenant for tenant, _ in promoted} != set(TENANTS):
        raise SystemExit(f"a tenant got no better version; promoted: {promoted}")


def run(folder: Path, *, is_smoke: bool, seed: int) -> None:
    """Play the week in a new folder, and check how it ended."""
    if (folder / "registry").exists():
        raise SystemExit(f"{folder} holds a week or a service already; delete it, or name another")
    n_questions, n_users = (150, 150) if is_smoke else (300, 400)
    began, clock, truth = time.perf_counter(), Clock(), read(n_questions)
    settings = Settings(folder=folder, share=1.0 if is_smoke else 0.5, clock=clock)
    users = Users(truth, np.random.default_rng(seed))
    harmful = play_week(Retrieval(truth.corpus, settings), clock, users, n_users)
    check(read_nights(folder), harmful)
    console.print(f"{DAYS} days in {time.perf_counter() - began:.0f} s: {folder / 'page.html'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("service_output/week"))
    parser.add_argument("--smoke", action="store_true", help="few questions, kept nowhere")
    parser.add_argument("--seed", type=int, default=0, help="of the users")
    options = parser.parse_args()
    if options.smoke:
        with TemporaryDirectory() as folder:
            run(Path(folder), is_smoke=True, seed=options.seed)
    else:
        run(options.folder, is_smoke=False, seed=options.seed)


if __name__ == "__main__":
    main()
