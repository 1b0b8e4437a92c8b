"""Tests of the diagnosis of an adapter that serves: what is right, and each thing that is not."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.adapters.serving import BRIDGE_RECORD
from query_adapters.adapters.storage import (
    AdapterRecord,
    SavedAdapter,
    read_adapter,
    save_adapter,
)
from query_adapters.feedback import FeedbackEvent, FeedbackRecords, ShownList
from query_adapters.finetuning.engine import AdapterFinetuneEngine
from query_adapters.fusion import FusionModel, SavedFusion, ScoringHead
from query_adapters.fusion.storage import save_fusion
from query_adapters.lexical import LexicalIndex, Tokenizer
from query_adapters.monitoring import Diagnosis, diagnose
from query_adapters.stores import StoredVectors


@dataclass(frozen=True)
class Live:
    """An adapter that was trained on some questions, and a log of others like them.

    Attributes:
        problem: Texts, labels and vectors of all questions.
        training: The dataset of the training questions.
        folder: The adapter.
        index: The index that it was trained on.
        lists: What was shown, with a rating of the right document.
    """

    problem: Any
    training: Any
    folder: Path
    index: StoredVectors
    lists: tuple[ShownList, ...]

    @property
    def texts(self) -> dict[str, str]:
        return dict(self.problem.dataset.corpus)


def logged(dataset: Any, *, system: str = "") -> tuple[ShownList, ...]:
    """Return one list a question, with its answer second and rated."""
    lists = []
    for number, (query, text) in enumerate(dataset.queries.items()):
        (answer,) = dataset.qrels[query]
        other = next(key for key in dataset.corpus if key != answer)
        rated = FeedbackEvent(kind="rated", document=answer, grade=1.0)
        lists.append(
            ShownList(
                id=query,
                key=query,
                ids=(other, answer),
                question=text,
                system=system,
                time=1.7e9 + number,
                events=(rated,),
            )
        )
    return tuple(lists)


@pytest.fixture(scope="module")
def live(
    make_problem: Callable[..., Any],
    make_embedder: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Live:
    problem = make_problem(n_queries=200)
    queries, corpus = list(problem.dataset.queries), problem.dataset.corpus
    training = problem.dataset.select(queries[:120])
    vectors = np.stack([problem.vectors[text] for text in corpus.values()]).astype(np.float32)
    index = StoredVectors(tuple(corpus), vectors)
    folder = tmp_path_factory.mktemp("live") / "adapter"
    engine = AdapterFinetuneEngine(
        training,
        make_embedder(vectors=problem.vectors),
        model_output_path=folder,
        index=index,
        memory=True,
        strengths=(0.3, 0.1),
        whitenings=(0.0,),
    )
    engine.finetune()
    saved = read_adapter(folder)
    assert isinstance(saved.adapter, KernelAdapter)
    lists = logged(problem.dataset.select(queries[120:]), system=f"faq@{saved.adapter.fingerprint}")
    return Live(problem=problem, training=training, folder=folder, index=index, lists=lists)


@pytest.fixture
def look(live: Live, make_embedder: Callable[..., Any]) -> Callable[..., Diagnosis]:
    """Return a function that diagnoses the adapter, with other arguments where they are given."""

    def diagnosed(lists: Sequence[ShownList] | None = None, **given: Any) -> Diagnosis:
        options = {
            "embedder": make_embedder(vectors=live.problem.vectors),
            "index": live.index,
            "texts": live.texts,
            "measure_refit": False,
        }
        adapter = given.pop("adapter", live.folder)
        return diagnose(adapter, live.lists if lists is None else lists, **{**options, **given})

    return diagnosed


Look = Callable[..., Diagnosis]


def status(found: Diagnosis) -> dict[str, str]:
    return {check.name: check.status for check in found.checks}


def test_all_is_as_it_was_in_training(look: Look) -> None:
    found = look(measure_refit=True)
    assert status(found) == {
        "log": "ok",
        "adapter": "ok",
        "model": "ok",
        "index": "ok",
        "questions": "ok",
        "words": "skipped",
        "refit": "ok",
    }
    assert not found.needs_action
    assert found["log"].seen == "80 lists of 2023-11-14 to 2023-11-14 with 80 events"
    assert "no gain over what serves is shown" in found["refit"].seen
    assert [line.split()[0] for line in str(found).splitlines()] == list(status(found).values())
    assert json.loads(json.dumps(found.to_record()))["needs_action"] is False


def test_another_model_is_told_by_its_name_and_by_its_vectors(
    look: Look, make_embedder: Callable[..., Any]
) -> None:
    for other in (make_embedder(identity="another/1"), make_embedder()):
        found = look(embedder=other, measure_refit=True)
        assert found["model"].status == "failed"
        assert (
            found["questions"].seen == found["refit"].seen == "model and index must be right first"
        )
        assert found.needs_action


def test_another_index_is_told(look: Look, live: Live) -> None:
    shorter = StoredVectors(live.index.ids, live.index.vectors[:, :4])
    found = look(index=shorter)["index"]
    assert (found.status, "4 dimensions, 8 expected" in found.seen) == ("failed", True)
    turned = StoredVectors(live.index.ids, np.roll(live.index.vectors, 1, axis=1))
    assert "were not made by" in look(index=turned)["index"].seen
    assert "have other vectors" in look(index=turned, texts=None)["index"].seen
    assert look(index=turned, measure_refit=True, texts=None)["refit"].status == "skipped"


def test_an_index_that_has_grown_and_ids_that_it_lacks_are_told(look: Look, live: Live) -> None:
    n = len(live.index.ids)
    more = StoredVectors(
        (*live.index.ids, *(f"new {row}" for row in range(n))),
        np.concatenate([live.index.vectors, -live.index.vectors]),
    )
    found = look(index=more)["index"]
    assert found.status == "warning"
    assert f"{2 * n} vectors, {n} in training" in found.seen
    strange = replace(live.lists[0], ids=("nowhere", *live.lists[0].ids))
    assert "it lacks 1 of" in look([strange, *live.lists[1:]])["index"].seen


def test_a_sample_of_an_index_is_not_told_to_lack_the_rest(look: Look, live: Live) -> None:
    n = len(live.index.ids)
    sample = StoredVectors(live.index.ids[::2], live.index.vectors[::2], n_stored=n)
    assert look(index=sample)["index"].status == "ok"
    assert look(index=replace(sample, n_stored=None))["index"].status == "warning"


def test_an_adapter_into_the_index_of_another_model_is_not_held_against_it(
    look: Look, live: Live, tmp_path: Path
) -> None:
    record = AdapterRecord(base_model="fake", training={BRIDGE_RECORD: {}})
    saved = SavedAdapter(adapter=LinearAdapter.identity(8), record=record)
    turned = StoredVectors(live.index.ids, np.roll(live.index.vectors, 1, axis=1))
    found = look(adapter=save_adapter(saved, tmp_path / "bridge"), index=turned)
    assert found["index"].status == "ok"


def test_a_log_of_another_adapter_is_told(look: Look, live: Live) -> None:
    others = [replace(one, system="faq@0123456789abcdef") for one in live.lists]
    found = look(others)["adapter"]
    assert found.status == "failed"
    assert "0123456789abcdef" in found.seen
    assert look([replace(one, system="faq") for one in live.lists])["adapter"].status == "skipped"
    newest = [*others, replace(live.lists[0], time=1.8e9)]
    assert look(newest, recent=1)["adapter"].status == "ok"


def test_questions_that_have_moved_away_are_told(look: Look, live: Live) -> None:
    rng = np.random.default_rng(0)
    far = np.abs(rng.normal(size=8))  # one narrow direction, far from any training question
    moved = [
        replace(one, question=None, vector=(far + 0.01 * rng.normal(size=8)).astype(np.float32))
        for one in live.lists
    ]
    found = look(moved, embedder=None)["questions"]
    assert found.status == "warning"
    assert look(embedder=None)["questions"].status == "skipped"
    assert look(live.lists[:5])["questions"].seen.endswith("too few")


def test_questions_are_compared_with_given_ones_where_the_adapter_has_no_memory(
    look: Look, live: Live, tmp_path: Path
) -> None:
    record = AdapterRecord(base_model="fake")
    saved = SavedAdapter(adapter=LinearAdapter.identity(8), record=record)
    folder = save_adapter(saved, tmp_path / "linear")
    assert look(adapter=folder)["questions"].status == "skipped"
    found = look(adapter=folder, training=live.training)
    assert found["questions"].status == "ok"
    assert "100% have a seen answer" in found["questions"].seen
    assert found["model"].seen == "fake, by its name alone: the adapter holds no probe"
    assert found["index"].status == "ok"


def test_a_memory_is_compared_alike_with_and_without_training_questions_that_need_a_model(
    look: Look, live: Live
) -> None:
    by_vectors = [
        replace(one, question=None, vector=live.problem.vectors[one.question].astype(np.float32))
        for one in live.lists
    ]
    found = look(by_vectors, embedder=None)["questions"]
    assert look(by_vectors, embedder=None, training=live.training)["questions"] == found


def test_a_log_with_vectors_of_two_models_is_told(look: Look, live: Live) -> None:
    logged = [
        replace(one, question=None, vector=np.ones(8 + number % 2, np.float32))
        for number, one in enumerate(live.lists)
    ]
    found = look(logged, embedder=None)["questions"]
    assert (found.status, "differ in length" in found.seen) == ("failed", True)


def test_what_a_refit_would_gain_is_measured(look: Look, tmp_path: Path) -> None:
    record = AdapterRecord(base_model="fake")
    saved = SavedAdapter(adapter=LinearAdapter.identity(8), record=record)
    folder = save_adapter(saved, tmp_path / "linear")
    found = look(adapter=folder, measure_refit=True)["refit"]
    assert found.status == "warning"
    assert found.seen.startswith("+")
    assert found.advice == "refit and deploy"
    assert [path.name for path in tmp_path.iterdir()] == ["linear"]
    few = look(measure_refit=True, lists=[])
    assert few["refit"].status == "skipped"
    assert few["log"].status == "failed"


def test_a_damaged_log_is_told(look: Look, live: Live) -> None:
    records = FeedbackRecords(lists=live.lists, n_damaged=5, n_orphans=1)
    found = diagnose(live.folder, records, measure_refit=False)
    assert found["log"].status == "warning"
    assert "5 damaged lines, 1 events" in found["log"].seen
    assert {check.status for check in found.checks[2:]} == {"skipped"}
    with pytest.raises(ValueError, match="recent: expected at least 1"):
        diagnose(live.folder, records, recent=0)


def test_a_stale_lexical_index_is_told(live: Live, tmp_path: Path) -> None:
    texts = {"a": "four miles", "b": "an hour", "c": "two shillings"}
    model = FusionModel(
        adapter=LinearAdapter.identity(2),
        head=ScoringHead({"lexical": 0.5}),
        queries=np.tile(np.eye(2, dtype=np.float32), (8, 1)),
        answers=(("a",), ("b",)) * 8,
        lexical=LexicalIndex.build([(list(texts), list(texts.values()))], tokenizer=Tokenizer()),
    )
    saved = SavedAdapter(adapter=model.adapter)
    folder = save_fusion(SavedFusion(model=model, saved=saved), tmp_path)

    def words(**given: Any) -> Any:
        return diagnose(folder, live.lists, measure_refit=False, **given)["words"]

    assert (words(texts=texts).status, words().status) == ("ok", "skipped")
    changed = {"a": "five miles", "b": "an hour", "d": "a pint", "e": "a quart"}
    stale = words(texts=changed)
    assert stale.status == "warning"
    assert stale.seen == (
        "of 4 documents, the lexical index lacks 2 and has other texts of 1; 1 of its own are gone"
    )
    ids = StoredVectors(("a", "b"), np.eye(2, dtype=np.float32))
    assert words(index=ids).status == "warning"
