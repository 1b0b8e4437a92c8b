"""Test on a Ray cluster of two nodes that results are those of one process, whatever dies.

The tests run where the extra `ray` is installed. The last one removes a node.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.pipelines import (
    AdaptVectors,
    BatchMap,
    EmbedTexts,
    SearchDocuments,
    evaluate_parquet,
    map_parquet,
)
from query_adapters.pipelines.generate import GenerateQuestions
from tests.logged_model import DIM, LoggedChat, LoggedModel
from tests.query_adapters.pipelines.files import content, drawn, write, write_texts

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),  # Ray calls old names of its own
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # and leaves pipes to the collector
]
ADAPTER = LinearAdapter(np.diag(np.arange(1, DIM + 1)), np.ones(DIM))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Yield a cluster of two nodes with one processor each, to which this process is connected."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args=node)
    started.add_node(**node)
    ray.init(address=started.address, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield started
    ray.shutdown()
    started.shutdown()


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Return the folders of documents and questions as vectors, and those of texts."""
    ids = [f"d{row}" for row in range(40)]
    write(tmp_path / "documents" / "d.parquet", {"id": ids, "vector": drawn(40, DIM)}, group_rows=9)
    relevant = [[ids[row % 40], ids[7 * row % 40]] for row in range(25)]
    write(
        tmp_path / "questions" / "q.parquet",
        {"relevant": [list(set(row)) for row in relevant], "vector": drawn(25, DIM, seed=1)},
    )
    write_texts(tmp_path / "texts", [9, 7])
    return {name: tmp_path / name for name in ("documents", "questions", "texts")}


def test_the_maps_give_the_bits_that_they_give_here(
    tmp_path: Path, folders: dict[str, Path], cluster: Any
) -> None:
    maps: dict[str, BatchMap] = {
        "adapt": AdaptVectors(ADAPTER),
        "search": SearchDocuments(folders["documents"], k=3),
    }
    for name, batch_map in maps.items():
        here, there = (tmp_path / f"{name}_{place}" for place in ("here", "there"))
        run: dict[str, Any] = {"source": folders["questions"], "block_rows": 4}
        done = map_parquet(batch_map, output=there, ray={"concurrency": 1}, **run)
        assert done == replace(map_parquet(batch_map, output=here, **run), folder=there)
        assert content(there) == content(here)


def test_questions_are_those_that_are_generated_here_and_each_is_asked_for_once(
    tmp_path: Path, folders: dict[str, Path], cluster: Any
) -> None:
    chat = LoggedChat(tmp_path)
    here, there = tmp_path / "here", tmp_path / "there"
    run: dict[str, Any] = {"source": folders["texts"], "block_rows": 4}
    map_parquet(GenerateQuestions(chat), output=there, ray={"concurrency": 2}, **run)
    assert sorted(chat.asked()) == sorted(f"text {n}" for n in range(16))
    map_parquet(GenerateQuestions(chat), output=here, **run)
    assert content(there) == content(here)


def test_an_evaluation_gives_the_bits_that_it_gives_here(
    tmp_path: Path, folders: dict[str, Path], cluster: Any
) -> None:
    inputs = folders["questions"], folders["documents"], {"base": None, "adapted": ADAPTER}
    here = evaluate_parquet(*inputs, tmp_path / "here", block_rows=10)
    there = evaluate_parquet(*inputs, tmp_path / "there", block_rows=10, ray={"concurrency": 1})
    for name, expected in here.items():
        for metric, values in expected.per_query.items():
            assert np.array_equal(there[name].per_query[metric], values)


def test_the_maps_run_in_a_dataset_of_ray_data(folders: dict[str, Path], cluster: Any) -> None:
    adapted = ray.data.read_parquet(str(folders["questions"])).map_batches(
        AdaptVectors, fn_constructor_kwargs={"adapter": ADAPTER}, concurrency=1
    )
    found = [row["vector"] for row in adapted.take_all()]
    assert np.allclose(found, ADAPTER(drawn(25, DIM, seed=1)))


def test_a_killed_worker_costs_no_finished_block(
    tmp_path: Path, folders: dict[str, Path], cluster: Any
) -> None:
    model = LoggedModel(tmp_path, dies_at="text 9")
    run: dict[str, Any] = {"source": folders["texts"], "block_rows": 2}
    map_parquet(
        EmbedTexts(model, role="document"), output=tmp_path / "there", ray={"concurrency": 2}, **run
    )
    assert (tmp_path / "died").exists()
    assert Counter(model.embedded()) == Counter(f"text {n}" for n in range(16))
    map_parquet(EmbedTexts(model, role="document"), output=tmp_path / "here", **run)
    assert content(tmp_path / "there") == content(tmp_path / "here")


def test_a_refusal_of_a_worker_is_shown(
    tmp_path: Path, folders: dict[str, Path], cluster: Any
) -> None:
    write(tmp_path / "bad" / "a.parquet", {"text": ["a", "b", "c", None]})
    embed = EmbedTexts(LoggedModel(tmp_path), role="query")
    with pytest.raises(ray.exceptions.RayTaskError, match="expected a text in every row"):
        map_parquet(embed, tmp_path / "bad", tmp_path / "v", block_rows=1, ray={"concurrency": 1})


def test_a_block_that_kills_every_worker_ends_the_run_and_the_others_are_kept(
    tmp_path: Path, folders: dict[str, Path], cluster: Any
) -> None:
    model = LoggedModel(tmp_path, dies_at="text 9", dies_again=True)
    run: dict[str, Any] = {"source": folders["texts"], "output": tmp_path / "there"}
    with pytest.raises(ray.exceptions.RayActorError):
        map_parquet(
            EmbedTexts(model, role="document"),
            block_rows=1,
            ray={"concurrency": 1, "max_restarts": 1},
            **run,
        )
    finished = model.embedded()
    assert finished
    well = replace(model, dies_at=None)
    map_parquet(EmbedTexts(well, role="document"), block_rows=1, **run)
    assert Counter(model.embedded()) == Counter(f"text {n}" for n in range(16))


def test_a_removed_node_costs_no_finished_block(
    tmp_path: Path, folders: dict[str, Path], cluster: Any
) -> None:
    model, output = LoggedModel(tmp_path, seconds=0.3), tmp_path / "there"
    run: dict[str, Any] = {"source": folders["texts"], "block_rows": 1}
    lost = next(iter(cluster.worker_nodes))

    def remove_when_the_first_blocks_are_finished() -> None:
        while len(list(output.glob("*.parquet"))) < 3:
            time.sleep(0.05)
        cluster.remove_node(lost, allow_graceful=False)

    killer = threading.Thread(target=remove_when_the_first_blocks_are_finished)
    killer.start()
    map_parquet(EmbedTexts(model, role="document"), output=output, ray={"concurrency": 2}, **run)
    killer.join()
    counts = Counter(model.embedded())
    assert counts.keys() == {f"text {n}" for n in range(16)}
    assert counts.total() <= 17  # the block that the node held may have been embedded, not written
    map_parquet(EmbedTexts(model, role="document"), output=tmp_path / "here", **run)
    assert content(output) == content(tmp_path / "here")
