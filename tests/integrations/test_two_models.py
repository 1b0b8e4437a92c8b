"""Tests of the embedding class that asks two models for every query."""

import asyncio
import pickle
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from query_adapters import LinearAdapter, save_adapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from query_adapters.errors import AdapterMismatchError
from tests.integrations.framework import Framework

OLD, NEW = [3.0, 4.0], [0.0, 2.0, 0.0]
JOINED = np.array([3, 4, 0, 5, 0]) / np.sqrt(2)  # the new vector gets the old one's length, 5
INTO_OLD = LinearAdapter([[1, 0, 0, 0, 0], [0, 0, 0, 1, 0]])


def models(framework: Framework, old: Any = None, new: Any = None) -> tuple[Any, Any]:
    """Return models of 2 and 3 dimensions."""
    return (
        framework.make_base(model_name="old", document=lambda _: OLD, query=old or (lambda _: OLD)),
        framework.make_base(model_name="new", document=lambda _: NEW, query=new or (lambda _: NEW)),
    )


def test_a_query_has_both_vectors_and_a_document_the_first_models(framework: Framework) -> None:
    old, new = models(framework)
    both = framework.two_models(old, new)
    np.testing.assert_allclose(framework.calls.query(both, "q"), JOINED, rtol=1e-6)
    found = asyncio.run(framework.calls.aquery(both, "q"))
    np.testing.assert_allclose(found, JOINED, rtol=1e-6)
    assert framework.calls.documents(both, ["d"]) == [OLD]
    assert asyncio.run(framework.calls.adocuments(both, ["d"])) == [OLD]
    assert new.documents == []


def test_both_models_are_asked_at_once(framework: Framework) -> None:
    together = Barrier(2, timeout=20)

    def meeting(vector: list[float]) -> Any:
        return lambda _: (together.wait(), vector)[1]

    both = framework.two_models(*models(framework, meeting(OLD), meeting(NEW)))
    np.testing.assert_allclose(framework.calls.query(both, "q"), JOINED, rtol=1e-6)


def test_both_models_are_asked_at_once_asynchronously(framework: Framework) -> None:
    n_tasks: list[int] = []

    def counting(vector: list[float]) -> Any:
        def query(_: str) -> list[float]:
            n_tasks.append(len(asyncio.all_tasks()))
            return vector

        return query

    both = framework.two_models(*models(framework, counting(OLD), counting(NEW)))
    asyncio.run(framework.calls.aquery(both, "q"))
    assert n_tasks[0] > n_tasks[-1] - 1 >= 1  # the other call runs while the first one does


def test_an_adapter_on_both_models_is_served_and_verified(
    framework: Framework, output: Path
) -> None:
    old, new = models(framework)
    record = AdapterRecord(base_model="old and new", probe_text="probe")
    probe = JOINED.astype(np.float32)
    save_adapter(SavedAdapter(adapter=INTO_OLD, record=record, probe_vector=probe), output)
    served = framework.linear(framework.two_models(old, new), output)
    served.verify()
    vector = np.array(framework.calls.query(served, "q"))
    np.testing.assert_allclose(vector, np.array([3, 5]) * 5 / np.sqrt(34), rtol=1e-6)
    assert framework.calls.documents(served, ["d"]) == [OLD]
    with pytest.raises(AdapterMismatchError, match="old and new"):
        framework.linear(old, output)
    other = models(framework, new=lambda _: [2.0, 0.0, 0.0])
    changed = framework.linear(framework.two_models(*other), output)
    with pytest.raises(AdapterMismatchError, match="probe question"):
        changed.verify()


def test_its_identity_depends_on_both_models_and_their_order(framework: Framework) -> None:
    old, new = models(framework)
    pairs = [(old, new), (new, old), (old, old)]
    assert len({framework.two_models(*pair).identity for pair in pairs}) == 3
    assert framework.two_models(old, new).model_name == "old and new"


def test_it_can_be_sent_to_another_process(framework: Framework) -> None:
    plain = (framework.make_base(model_name=name, width=3) for name in ("old", "new"))
    both = framework.two_models(*plain)
    copy = pickle.loads(pickle.dumps(both))  # noqa: S301
    assert framework.calls.query(copy, "q") == framework.calls.query(both, "q")
