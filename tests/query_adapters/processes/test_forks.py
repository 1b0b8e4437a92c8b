"""Test what a forked, spawned or prefork child does with what its parent has used."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import load_adapter, save_adapter
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.openai import OpenAIEmbedder
from query_adapters.errors import GenerationError
from query_adapters.generation import QuestionGenerator
from query_adapters.generation.journal import Journal, Key
from query_adapters.processes.background import run_in_background
from query_adapters.processes.forks import PerProcess
from tests.forked import LIMIT, child_of_fork
from tests.servers.embeddings import KEY, EmbeddingServer, vector_of

CHUNKS = {"a": "About one.", "b": "About two."}
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


class Writer:
    """A model that writes two questions about each chunk."""

    model_name = "writer"

    async def complete(self, prompt: str) -> str:
        return "What is one about?\nWhat is two about?"


def written() -> str:
    """Return the questions of a run on the background loop."""
    return " ".join(QuestionGenerator(llm=Writer()).run(CHUNKS).dataset.queries.values())


async def _one() -> int:
    return 1


def in_process(method: str, work: Callable[[], str]) -> str:
    """Return what the work gives in a process that is started by this method."""
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.apply_async(work).get(LIMIT * 3)


def test_a_forked_child_and_its_parent_both_go_on_with_the_background_loop() -> None:
    expected = written()
    assert child_of_fork(written) == repr(expected).encode()
    assert child_of_fork(lambda: child_of_fork(written)) == repr(repr(expected).encode()).encode()
    assert written() == expected


def test_a_fork_while_the_loop_is_started_elsewhere_does_not_hang() -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            run_in_background(_one())

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    said = [child_of_fork(lambda: run_in_background(_one())) for _ in range(10)]
    stop.set()
    for thread in threads:
        thread.join()
    assert said == [b"1"] * 10


@pytest.mark.slow
@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_processes_of_every_start_method_generate(method: str) -> None:
    assert in_process(method, written) == written()


def test_run_inside_a_models_own_call_is_refused_at_once() -> None:
    class Nested:
        model_name = "nested"

        async def complete(self, prompt: str) -> str:
            return written()

    with pytest.raises(GenerationError, match=r"await arun\(\) there instead"):
        QuestionGenerator(llm=Nested()).run(CHUNKS)
    assert written(), "the loop goes on"


def test_a_child_sends_its_requests_over_connections_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with EmbeddingServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        model = OpenAIEmbedder("m")
        model.embed_queries(["before"])
        parent = model._client
        work = lambda: (  # noqa: E731
            model._client is not parent,
            model.embed_queries(["child"]).tolist(),
        )
        assert child_of_fork(work) == repr((True, [vector_of("child")])).encode()
        assert model._client is parent


def test_a_value_of_a_process_is_made_anew_in_its_children_alone() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(os.getpid())
        return made[-1]

    value = PerProcess(make)
    assert value.get() == value.get() == os.getpid()
    assert child_of_fork(lambda: value.get() == value.get() == os.getpid()) == b"True"
    assert len(made) == 1


def test_a_child_uses_a_cache_that_its_parent_is_filling(
    tmp_path: Path, make_embedder: Callable[..., Any]
) -> None:
    embedder, cache = make_embedder(batch_size=1), EmbeddingCache(tmp_path / "c.sqlite")
    half, forked = threading.Event(), threading.Event()

    def slow(texts: list[str]) -> Any:
        half.set()
        forked.wait(LIMIT)
        return embedder.embed_documents(texts)

    texts = [f"text {number}" for number in range(5)]
    filling = threading.Thread(target=cache.embed, args=(embedder, "document", slow, texts))
    filling.start()
    half.wait(LIMIT)
    said = child_of_fork(lambda: cache.embed_documents(embedder, texts).shape)
    forked.set()
    filling.join()
    assert said == b"(5, 8)"
    assert cache.embed_documents(embedder, texts).shape == (5, 8)


def test_a_journal_is_free_again_although_a_child_forked_meanwhile_lives_on(
    tmp_path: Path,
) -> None:
    path, key = tmp_path / "j.jsonl", Key("c", "1", "2")
    with Journal(path).open() as journal:
        journal.append(key, "first")
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)  # until the parent is done
            os._exit(0)
    with Journal(path).open() as journal:
        assert journal.answers(key) == ("first",)
    os.close(writing)
    os.waitpid(child, 0)


@pytest.mark.parametrize("n_writers", [4])
def test_two_writers_of_one_adapter_folder_wait_for_each_other(
    tmp_path: Path, n_writers: int
) -> None:
    def save(writer: int) -> None:
        for number in range(10):
            matrix = np.full((4, 4), writer * 100 + number, dtype=np.float32)
            save_adapter(LinearAdapter(matrix), tmp_path / "adapter")

    def write(writer: int) -> None:
        child_of_fork(lambda: save(writer))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(n_writers)]
    (tmp_path / "adapter").mkdir()
    save_adapter(LinearAdapter.identity(4), tmp_path / "adapter")
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        load_adapter(tmp_path / "adapter")  # a warning, here an error, if its files differ
    for thread in threads:
        thread.join()
    assert load_adapter(tmp_path / "adapter").tensors()["weight"][0, 0] % 100 == 9
