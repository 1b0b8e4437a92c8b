"""Test which text identifies the model of an adapter, and that no other question is stored."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters.serving import check_probe, probe_of
from query_adapters.adapters.storage import read_adapter
from query_adapters.errors import AdapterMismatchError
from query_adapters.finetuning.engine import AdapterFinetuneEngine, LabelFreeEngine
from query_adapters.finetuning.probe import NEUTRAL_PROBE
from query_adapters.stores import LiveIndex, StoredVectors
from query_adapters.upgrade.engine import UpgradeEngine

QUESTION = re.compile(rb"(question|document) \d+")
Run = Callable[..., Path]


@pytest.fixture(params=["adapter", "hybrid", "label-free", "upgrade"])
def run(
    request: pytest.FixtureRequest, make_problem: Callable[..., Any], tmp_path: Path, embedder: Any
) -> Run:
    """Return a function that runs an engine with a probe and returns its folder."""
    problem, folder = make_problem(), tmp_path / "out"
    documents = embedder.embed_documents(list(problem.dataset.corpus.values()))
    stored = StoredVectors(tuple(problem.dataset.corpus), documents)

    def finetuned(**options: Any) -> Path:
        options |= {"model_output_path": folder}
        engine: Any
        if request.param == "label-free":
            engine = LabelFreeEngine(stored, embedder, check_dataset=problem.dataset, **options)
        elif request.param == "upgrade":
            texts = lambda ids: {key: problem.dataset.corpus[key] for key in ids}  # noqa: E731
            index = LiveIndex(name="i", source=stored, texts=texts, hint=lambda missing: "")
            engine = UpgradeEngine(index, embedder, dataset=problem.dataset, **options)
        else:
            options |= {
                "strengths": [0.3],
                "whitenings": [0.0],
                "hybrid": request.param == "hybrid",
            }
            engine = AdapterFinetuneEngine(problem.dataset, embedder, **options)
        engine.finetune()
        return folder

    return finetuned


@pytest.fixture
def embedder(make_embedder: Callable[..., Any], make_problem: Callable[..., Any]) -> Any:
    return make_embedder(batch_size=64, vectors=make_problem().vectors)


def texts_in(folder: Path) -> set[str]:
    """Return the questions and documents in clear in the files of the folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {found[0].decode() for path in files for found in QUESTION.finditer(path.read_bytes())}


def test_by_default_one_question_is_stored(run: Run) -> None:
    assert texts_in(run()) == {"question 0"}


def test_without_a_probe_no_text_is_stored_and_verifying_is_refused(run: Run) -> None:
    folder = run(probe_text=None)
    saved = read_adapter(folder)
    assert texts_in(folder) == set()
    assert (saved.record.probe_text, saved.probe_vector) == (None, None)
    with pytest.raises(AdapterMismatchError, match="without probe_text=None"):
        probe_of(saved)


def test_a_text_of_ones_own_identifies_the_model(
    run: Run, embedder: Any, make_embedder: Callable[..., Any]
) -> None:
    folder = run(probe_text=NEUTRAL_PROBE)
    text, expected = probe_of(read_adapter(folder))
    assert texts_in(folder) == set()
    assert text == NEUTRAL_PROBE
    np.testing.assert_array_equal(expected, embedder.vector("query", NEUTRAL_PROBE))
    another = make_embedder(identity="another/1").vector("query", text)
    with pytest.raises(AdapterMismatchError, match="got cosine"):
        check_probe(another.tolist(), expected, model_name="another")


@pytest.mark.parametrize(
    ("text", "error"), [(" ", ValueError), (3, TypeError), (True, TypeError), (b"a", TypeError)]
)
def test_what_is_no_text_is_refused_before_anything_is_embedded(
    text: Any, error: type[Exception], run: Run, embedder: Any
) -> None:
    before = len(embedder.calls)
    with pytest.raises(error, match="probe_text: expected a text or None"):
        run(probe_text=text)
    assert len(embedder.calls) == before
