"""Test that a killed run resumes and produces the same result as an uninterrupted run."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.chat import ChatServer

ROOT = Path(__file__).resolve().parents[3]
N_CHUNKS, N_KILLS, CONCURRENCY = 500, 20, 16
RUN = """
import asyncio, json, sys
from query_adapters.data.formats import write_llama_index_json
from query_adapters.generation import CallOptions, QuestionGenerator

port, journal, output, n_chunks, concurrency = *sys.argv[1:4], *map(int, sys.argv[4:])


class Client:
    model_name = "stub"

    async def complete(self, prompt):
        body = json.dumps({"model": "stub", "messages": [{"role": "user", "content": prompt}]})
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        head = f"POST /v1/chat/completions HTTP/1.1\\r\\nConnection: close\\r\\nContent-Length: "
        writer.write(f"{head}{len(body.encode())}\\r\\n\\r\\n{body}".encode())
        said = (await reader.read()).partition(b"\\r\\n\\r\\n")[2]
        writer.close()
        return json.loads(said)["choices"][0]["message"]["content"]


generated = QuestionGenerator(
    llm=Client(), journal=journal, options=CallOptions(concurrency=concurrency)
).run({f"c{i}": f"This is about marker-{i}." for i in range(n_chunks)})
write_llama_index_json(generated.dataset, output)
"""


def start(server: ChatServer, journal: Path, output: Path) -> subprocess.Popen[bytes]:
    port = server.url.rpartition(":")[2]
    command = [sys.executable, "-c", RUN, port, journal, output, N_CHUNKS, CONCURRENCY]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(list(map(str, command)), env=env)  # noqa: S603


@pytest.mark.slow
def test_twenty_kills_lose_at_most_the_answers_in_flight_and_change_nothing(
    tmp_path: Path,
) -> None:
    rng = random.Random(0)  # noqa: S311
    # the kills are further apart than the number of concurrent requests, so none is skipped
    left = [(CONCURRENCY + 8) * number + rng.randrange(1, 8) for number in range(N_KILLS)]
    running: list[subprocess.Popen[bytes]] = []
    n_killed = 0

    def kill_at_its_point(n_paid: int) -> None:
        nonlocal n_killed
        if left and n_paid >= left[0] and running[-1].poll() is None:
            running[-1].kill()
            running[-1].wait()
            left.pop(0)
            n_killed += 1

    with ChatServer(on_paid=kill_at_its_point) as server:
        while not (tmp_path / "killed.json").exists():
            running.append(start(server, tmp_path / "killed.jsonl", tmp_path / "killed.json"))
            code = running[-1].wait(timeout=60)
            assert code == (-9 if not (tmp_path / "killed.json").exists() else 0)
        paid, asked = server.paid.copy(), server.asked.copy()
    with ChatServer() as server:
        whole = start(server, tmp_path / "whole.jsonl", tmp_path / "whole.json")
        assert whole.wait(timeout=60) == 0
        assert server.paid.total() == server.asked.total() == N_CHUNKS
    assert (tmp_path / "killed.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert n_killed == N_KILLS
    assert set(paid) == {f"marker-{i}" for i in range(N_CHUNKS)}
    assert asked.total() - N_CHUNKS <= n_killed * CONCURRENCY
    answered = [json.loads(line) for line in (tmp_path / "killed.jsonl").read_text().splitlines()]
    assert len({row["chunk"] for row in answered[1:]}) == len(answered) - 1 == N_CHUNKS
