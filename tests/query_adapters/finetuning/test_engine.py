"""Tests of the core engine: settings that it passes on and errors before any embedding."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, read_adapter, save_adapter
from query_adapters.errors import (
    AdapterMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    NotFinetunedError,
)
from query_adapters.finetuning.adapter import AdapterFinetuner
from query_adapters.finetuning.engine import AdapterFinetuneEngine, LabelFreeEngine, read_start
from query_adapters.finetuning.labelfree import LabelFreeFinetuner
from query_adapters.finetuning.many import finetune_many
from query_adapters.finetuning.options import EngineOptions, LabelFreeSettings, TrainerOptions
from query_adapters.stores import StoredVectors
from query_adapters.training import AdapterTrainer, whitening_adapter

IMPORT = "import query_adapters.finetuning.engine\nassert not {'scipy', 'torch'} & set(sys.modules)"
CONSTRUCT = """
sys.modules["scipy"] = None
from query_adapters.finetuning.engine import AdapterFinetuneEngine
AdapterFinetuneEngine(None, None, model_output_path="out")
"""


@pytest.fixture(scope="module")
def problem(make_problem: Callable[..., Any]) -> Any:
    return make_problem()


@pytest.fixture
def embedder(make_embedder: Callable[..., Any], problem: Any) -> Any:
    return make_embedder(vectors=problem.vectors)


@pytest.mark.slow
def test_importing_needs_no_training_library_and_constructing_names_the_extra(
    run_python: Callable[..., CompletedProcess[str]],
) -> None:
    assert run_python(IMPORT).returncode == 0
    refused = run_python(CONSTRUCT)
    assert "pip install 'llama-index-finetune-plugin[train]'" in refused.stderr.splitlines()[-1]


def test_it_is_the_finetuner_with_the_trainers_own_settings(
    problem: Any, embedder: Any, tmp_path: Path
) -> None:
    engine = AdapterFinetuneEngine(problem.dataset, embedder, model_output_path=tmp_path / "a")
    with pytest.raises(NotFinetunedError, match=r"call finetune\(\) first"):
        _ = engine.result
    engine.finetune()
    expected = AdapterFinetuner(
        dataset=problem.dataset, embedder=embedder, output=tmp_path / "b", trainer=AdapterTrainer()
    ).run()
    assert engine.result.training.table == expected.training.table
    assert engine.result.saved.adapter.fingerprint == expected.saved.adapter.fingerprint


def test_blocks_of_an_index_are_what_they_hold_together(
    problem: Any, embedder: Any, tmp_path: Path
) -> None:
    keys = list(problem.dataset.corpus)
    rows = np.stack([problem.vectors[text] for text in problem.dataset.corpus.values()])
    blocks = iter([(keys[:7], rows[:7]), (keys[7:], rows[7:])])
    engine = AdapterFinetuneEngine(
        problem.dataset, embedder, model_output_path=tmp_path / "a", index=blocks
    )
    engine.finetune()
    assert embedder.embedded("document") == []
    whole = AdapterFinetuner(
        dataset=problem.dataset, embedder=embedder, output=tmp_path / "b",
        trainer=AdapterTrainer(), index=StoredVectors(tuple(keys), rows),
    ).run()  # fmt: skip
    assert engine.result.saved.adapter.fingerprint == whole.saved.adapter.fingerprint
    with pytest.raises(InvalidVectorsError, match="at least one stored vector"):
        AdapterFinetuneEngine(problem.dataset, embedder, model_output_path=tmp_path, index=[])


def test_every_setting_of_training_is_one_of_the_trainers() -> None:
    fields = set(AdapterTrainer.__dataclass_fields__)
    assert fields >= TrainerOptions.__optional_keys__
    assert EngineOptions.__optional_keys__ > TrainerOptions.__optional_keys__


def test_every_setting_of_whitening_is_one_of_the_finetuners() -> None:
    fields = set(LabelFreeFinetuner.__dataclass_fields__)
    assert fields >= LabelFreeSettings.__optional_keys__


@pytest.mark.parametrize(
    ("told", "given", "expected"),
    [
        (None, {}, "cosine"),
        ("euclidean", {}, "euclidean"),
        ("euclidean", {"similarity": "dot"}, "dot"),
        (None, {"similarity": "dot"}, "dot"),
    ],
)
def test_it_ranks_as_the_index_tells_unless_told_otherwise(
    problem: Any, embedder: Any, tmp_path: Path, told: Any, given: Any, expected: str
) -> None:
    keys = list(problem.dataset.corpus)
    rows = np.stack([problem.vectors[text] for text in problem.dataset.corpus.values()])
    rows *= np.linspace(0.5, 2, len(rows), dtype=np.float32)[:, None]  # so that norms matter
    index = StoredVectors(tuple(keys), rows)
    engine = AdapterFinetuneEngine(
        problem.dataset, embedder, model_output_path=tmp_path / "a",
        index=StoredVectors(tuple(keys), rows, similarity=told), guard="off",
        n_folds=2, strengths=[0.1], **given,
    )  # fmt: skip
    engine.finetune()
    trainer = AdapterTrainer(
        similarity=expected, guard="off", n_folds=2, strengths=(0.1,)  # type: ignore[arg-type]
    )  # fmt: skip
    whole = AdapterFinetuner(
        dataset=problem.dataset, embedder=embedder, output=tmp_path / "b", trainer=trainer,
        index=index,
    ).run()  # fmt: skip
    assert engine.result.training.table == whole.training.table
    assert engine.result.saved.adapter.fingerprint == whole.saved.adapter.fingerprint
    assert read_adapter(tmp_path / "a").record.training["similarity"] == expected

    whitened = LabelFreeEngine(
        StoredVectors(tuple(keys), rows, similarity=told),
        embedder,
        model_output_path=tmp_path / "c",
        **given,
    )
    whitened.finetune()
    prior = whitening_adapter(rows, similarity=expected)  # type: ignore[arg-type]
    assert whitened.result.saved.adapter.fingerprint == prior.fingerprint
    assert read_adapter(tmp_path / "c").record.training["similarity"] == expected


def test_similarities_that_are_none_are_refused(problem: Any, embedder: Any) -> None:
    keys, rows = ["a", "b"], np.eye(2, dtype=np.float32)
    wrong: dict[str, Any] = {"similarity": "l2"}
    with pytest.raises(ValueError, match=r"expected a similarity of .* got l2"):
        AdapterFinetuneEngine(problem.dataset, embedder, model_output_path="out", **wrong)
    with pytest.raises(ValueError, match=r"expected a similarity of .* got l2"):
        LabelFreeEngine([(keys, rows)], embedder, model_output_path="out", **wrong)


def test_a_whitening_setting_that_is_none_is_named(embedder: Any) -> None:
    wrong: dict[str, Any] = {"exponents": 0.3}
    with pytest.raises(TypeError, match=r"unexpected arguments: exponents; .* exponent"):
        LabelFreeEngine(
            [(["a"], np.ones((1, 2), dtype=np.float32))], embedder, model_output_path="o", **wrong
        )


def test_a_setting_that_is_none_is_named_with_those_that_are(problem: Any, embedder: Any) -> None:
    wrong: dict[str, Any] = {"metrics": "mrr@3", "n_repeats": 2}
    with pytest.raises(TypeError, match=r"unexpected arguments: metrics, n_repeats; .* guard"):
        AdapterFinetuneEngine(problem.dataset, embedder, model_output_path="out", **wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"memory": "yes"}, "memory: expected \"auto\", True or False, got 'yes'"),
        ({"bias": None}, "bias: expected True or False, got None"),
        ({"strengths": 0.3}, r"strengths: expected several numbers, got 0\.3; put one in a list"),
        ({"whitenings": "0.3"}, r"whitenings: expected several numbers, got '0\.3'"),
    ],
)
def test_an_option_of_another_kind_is_refused(
    wrong: dict[str, Any], words: str, problem: Any, embedder: Any
) -> None:
    with pytest.raises(TypeError, match=words):
        AdapterFinetuneEngine(problem.dataset, embedder, model_output_path="out", **wrong)


def test_a_start_is_read_for_the_model_that_it_was_trained_on(tmp_path: Path) -> None:
    adapter = LinearAdapter(np.eye(8) * 2)
    record = AdapterRecord(base_model="models/fake")
    save_adapter(SavedAdapter(adapter=adapter, record=record), tmp_path)
    assert read_start(tmp_path, model_name="fake").fingerprint == adapter.fingerprint
    with pytest.raises(AdapterMismatchError, match=r"'models/fake'.*'other'"):
        read_start(tmp_path, model_name="other")


def test_weights_reach_training_and_validation_and_are_stated(
    problem: Any, embedder: Any, tmp_path: Path
) -> None:
    dataset, ids = problem.dataset, list(problem.dataset.queries)
    training = dataset.select(ids[:60])
    weights = {query: float(place % 3) for place, query in enumerate(training.queries)}
    settings: TrainerOptions = {"strengths": (0.3,), "whitenings": (0.0,)}

    def trained(name: str, given: Any) -> Any:
        engine = AdapterFinetuneEngine(
            given,
            embedder,
            model_output_path=tmp_path / name,
            val_dataset=replace(dataset.select(ids[60:]), weights={ids[60]: 2.0}),
            memory=False,
            **settings,
        )
        engine.finetune()
        return engine.result

    found = trained("weighted", replace(training, weights=weights))
    plain = trained("plain", training)
    assert found.saved.adapter.fingerprint != plain.saved.adapter.fingerprint
    assert found.training.n_queries == 40  # those of weight 0 are left out
    assert "Weights of questions: gains are means by weight, of as many as 36 " in str(found)
    assert "Weights of questions" not in str(plain)
    assert found.validation["ndcg@10"].base == plain.validation["ndcg@10"].base


def test_what_does_not_use_weights_refuses_them(
    problem: Any, embedder: Any, tmp_path: Path
) -> None:
    dataset = replace(problem.dataset, weights={next(iter(problem.dataset.queries)): 2.0})
    index = StoredVectors(("a",), np.ones((1, 8), dtype=np.float32))
    with pytest.raises(InvalidDatasetError, match="check of the whitening: expected questions"):
        LabelFreeEngine(index, embedder, model_output_path=tmp_path, check_dataset=dataset)
    with pytest.raises(InvalidDatasetError, match="finetune_many, one: expected questions"):
        finetune_many(
            {"one": dataset, "two": problem.dataset}, embedder, model_output_path=tmp_path
        )
