"""Test that Ctrl-C in a program that uses the library is neither swallowed nor delayed."""

import signal
import subprocess
import time
from collections.abc import Callable

import pytest

LONGEST = 3.0  # seconds from the signal to the end of the process
PREAMBLE = """
import asyncio, sys, threading, time
from query_adapters.embedders.batching import embed_in_requests
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.generation import Checks, QuestionGenerator

class Slow(FakeEmbedder):
    def _embed(self, role, texts):
        print("started", flush=True)
        return embed_in_requests(lambda part: time.sleep(60), texts, limit=1, concurrency=4)

class Stuck:
    model_name = "stuck"
    async def complete(self, prompt):
        print("started", flush=True)
        await asyncio.to_thread(time.sleep, 60)

class Writer:
    model_name = "writer"
    async def complete(self, prompt):
        return "What is one about?\\nWhat is two about?"

slow, chunks = Slow(batch_size=64), {f"c{i}": f"Text {i}." for i in range(50)}
checked = QuestionGenerator(llm=Writer(), embedder=slow, checks=Checks(answerable_within=10))
stuck = QuestionGenerator(llm=Stuck(), journal=sys.argv[1])
"""
CALLS = {
    "embedding": "EmbeddingCache().embed_documents(slow, list(chunks.values()))",
    "generating": "stuck.run(chunks)",
    "checking": "asyncio.run(checked.arun(chunks))",
}


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_ctrl_c_reaches_the_caller_at_once_and_no_thread_delays_the_end(
    call: str, start_python: Callable[..., subprocess.Popen[str]], tmp_path: object
) -> None:
    code = f"""{PREAMBLE}
try:
    {call}
except KeyboardInterrupt:
    print("caught", flush=True)
    with QuestionGenerator(llm=Writer(), journal=sys.argv[1])._journal().open():
        print("the journal is free", flush=True)
"""
    process = start_python(code, f"{tmp_path}/journal.jsonl")
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    said, error = process.communicate(timeout=90)
    assert time.monotonic() - started < LONGEST
    assert said.replace("started\n", "") == "caught\nthe journal is free\n", error
    assert process.returncode == 0, error
