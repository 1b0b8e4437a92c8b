"""Tests of the adapter engine: gains, one embedding per text, and errors for invalid input."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from query_adapters.adapters import (
    ADAPTER_KINDS,
    KernelAdapter,
    LengthKeepingAdapter,
    LinearAdapter,
)
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, read_adapter, save_adapter
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    LeakageError,
    NotFinetunedError,
    UnknownMetricError,
)
from query_adapters.training.prior import spectral_prior
from query_adapters.typing import Vectors
from tests.integrations.framework import Framework
from tests.integrations.rotation import (
    BATCH,
    DIM,
    DOCUMENTS,
    MIXING,
    OTHERS,
    corpus_of,
    document_vector,
    make_dataset,
    make_planted,
    query_vector,
)

QUESTION = "question x about subject 5"


@pytest.fixture
def train(framework: Framework) -> Any:
    return make_dataset(framework, DOCUMENTS)


@pytest.fixture
def other(framework: Framework) -> Any:
    """Return a dataset about other documents."""
    return make_dataset(framework, OTHERS)


@pytest.fixture
def planted(framework: Framework) -> Any:
    return make_planted(framework)


@pytest.fixture
def engine(framework: Framework, train: Any, planted: Any, output: Path) -> Any:
    return framework.engines.adapter(train, planted, model_output_path=output)


def ndcg(framework: Framework, store: Any, model: Any, dataset: Any) -> float:
    """Return nDCG@10 of the store when it is opened with the model."""
    retriever = framework.stores.retriever(framework.stores.served(store, model), 10)
    evaluation = framework.evaluator(retriever, ["ndcg@10"]).evaluate_dataset(dataset)
    mean: float = evaluation.means["ndcg@10"]
    return mean


def linear(engine: Any) -> LinearAdapter:
    adapter = engine.result.training.adapter
    assert isinstance(adapter, LinearAdapter)
    return adapter


# Training


@pytest.mark.slow
def test_a_store_filled_with_the_base_is_searched_better(
    framework: Framework, engine: Any, planted: Any, other: Any
) -> None:
    store = framework.stores.in_memory(OTHERS, planted)
    n_documents = len(planted.documents)
    engine.finetune()
    before = ndcg(framework, store, planted, other)
    assert ndcg(framework, store, engine.get_finetuned_model(), other) > before + 0.2
    assert engine.result.decision == engine.result.training.decision == "adapter"
    assert str(engine.result.verdict).startswith("Use the adapter.")
    assert len(planted.documents) == n_documents + len(DOCUMENTS)  # none from the store


@pytest.mark.slow
def test_each_text_is_embedded_once_and_none_in_a_second_run(
    framework: Framework, train: Any, planted: Any, output: Path
) -> None:
    for _ in range(2):
        framework.engines.adapter(train, planted, model_output_path=output).finetune()
        assert sorted(planted.queries) == sorted(train.queries.values())
        assert sorted(planted.documents) == sorted(train.corpus.values())


def test_any_object_with_the_three_mappings_is_a_dataset(
    framework: Framework, planted: Any, train: Any
) -> None:
    relevant = {query: [f"id {query.rpartition(' ')[2]}"] for query in train.queries}
    content = SimpleNamespace(queries=train.queries, corpus=train.corpus, relevant_docs=relevant)
    framework.engines.adapter(content, planted)
    del content.corpus
    with pytest.raises(TypeError, match=r"SimpleNamespace lacks \['corpus'\]"):
        framework.engines.adapter(content, planted)


def test_documents_in_the_store_are_not_embedded_again(
    framework: Framework, train: Any, planted: Any, output: Path
) -> None:
    store = framework.stores.in_memory(DOCUMENTS, planted)
    planted.calls.clear()
    engine = framework.engines.adapter(train, planted, store=store, model_output_path=output)
    engine.finetune()
    assert planted.documents == []
    assert sorted(planted.queries) == sorted(train.queries.values())
    before = ndcg(framework, store, planted, train)
    assert ndcg(framework, store, engine.get_finetuned_model(), train) > before + 0.2


def test_documents_missing_from_the_store_are_embedded(
    framework: Framework, train: Any, planted: Any, output: Path
) -> None:
    half = corpus_of(0, 60)
    store = framework.stores.in_memory(half, planted)
    planted.calls.clear()
    framework.engines.adapter(train, planted, store=store, model_output_path=output).finetune()
    assert sorted(planted.documents) == sorted(set(DOCUMENTS.values()) - set(half.values()))


@pytest.mark.slow
def test_the_spectrum_of_another_store_shapes_the_map(
    framework: Framework, train: Any, planted: Any, output: Path
) -> None:
    options: dict[str, Any] = {
        "whitenings": [0.3], "strengths": [0.1], "seen_share": 0.5, "memory": False,
    }  # fmt: skip
    weights = []
    for name, store in (("alone", None), ("served", framework.stores.in_memory(OTHERS, planted))):
        engine = framework.engines.adapter(
            train, planted, store=store, model_output_path=output / name, **options
        )
        engine.finetune()
        weights.append(linear(engine).weight)
    own, served = (
        spectral_prior(np.array(list(map(document_vector, c.values())), dtype="f4"), exponent=0.3)
        for c in (DOCUMENTS, OTHERS)
    )
    np.testing.assert_allclose(weights[1] - weights[0], served - own, atol=1e-5)


def test_options_reach_the_trainer(
    framework: Framework, train: Any, planted: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "metric": "recall@3", "guard": "off", "seen_share": 1.0, "strengths": [0.3, 0.1],
        "whitenings": [0.0], "n_folds": 3, "bias": False, "dim": DIM, "verbose": True,
        "memory": False, "n_jobs": 1,
        "cache_path": str(tmp_path / "cache.sqlite"),
    }  # fmt: skip
    tables = []
    for seed in (5, 6):
        engine = framework.engines.adapter(
            train, planted, model_output_path=str(tmp_path / str(seed)), seed=seed, **options
        )
        engine.finetune()
        tables.append(engine.result.training.table)
        assert "recall@3" in str(engine.result.training.verdict)
        assert linear(engine).bias is None
    strengths = {row.candidate.strength for row in tables[0]}
    assert {strength for strength in strengths if np.isfinite(strength)} == {0.3, 0.1}
    assert {row.candidate.whitening for row in tables[0]} == {0.0}
    assert all(row.unseen is None for row in tables[0])
    assert tables[0] != tables[1]  # another seed gives other folds
    assert (tmp_path / "cache.sqlite").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("chroma", {}, "euclidean"),
        ("in memory", {}, "cosine"),
        ("chroma", {"similarity": "cosine"}, "cosine"),
        ("blocks", {}, "cosine"),
    ],
)
def test_the_similarity_is_the_stores_by_default(
    framework: Framework, train: Any, planted: Any, tmp_path: Path,
    kind: str, given: dict[str, Any], expected: str,
) -> None:  # fmt: skip
    if kind == "chroma":
        store = framework.stores.chroma(tmp_path / "chroma", DOCUMENTS, planted)
    else:
        store = framework.stores.in_memory(DOCUMENTS, planted)
    if kind == "blocks":
        store = list(framework.stores.stored_vectors(store))
    planted.calls.clear()
    engine = framework.engines.adapter(
        train, planted, store=store, model_output_path=tmp_path / "out", guard="off",
        n_folds=2, strengths=[0.3], **given,
    )  # fmt: skip
    engine.finetune()
    assert planted.documents == []
    assert read_adapter(tmp_path / "out").record.training["similarity"] == expected


@pytest.mark.slow
def test_a_validation_set_is_measured_and_recorded(
    framework: Framework, train: Any, other: Any, planted: Any, output: Path
) -> None:
    engine = framework.engines.adapter(train, planted, model_output_path=output, val_dataset=other)
    engine.finetune()
    validation = engine.result.validation
    store = framework.stores.in_memory(OTHERS, planted)
    base = ndcg(framework, store, planted, other)
    assert validation["ndcg@10"].base.mean == pytest.approx(base)
    adapted = ndcg(framework, store, engine.get_finetuned_model(), other)
    assert validation["ndcg@10"].adapted.mean == pytest.approx(adapted)
    record = json.loads((output / "adapter.json").read_text())["record"]["training"]
    assert record["validation"]["ndcg@10"]["mean"] == validation["ndcg@10"].difference.mean


@pytest.mark.slow
def test_labels_without_a_signal_keep_the_base(
    framework: Framework, train: Any, output: Path
) -> None:
    """Test random vectors; of twenty such sets, the guard's test passes one by chance."""
    base = framework.make_base(width=DIM, instruction="noise")
    engine = framework.engines.adapter(train, base, model_output_path=output)
    engine.finetune()
    assert engine.result.decision == "base"
    assert "Keep the base model." in str(engine.result.training.verdict)
    found = framework.calls.query(engine.get_finetuned_model(), QUESTION)
    assert found == base.vector("query", QUESTION)


def refuse(_: str) -> list[float]:
    raise ConnectionError("the provider closed the connection")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "error"),
    [(refuse, ConnectionError), (lambda _: [float("nan")] * DIM, InvalidVectorsError)],
    ids=["an exception", "not a number"],
)
def test_finished_batches_are_not_embedded_again_after_a_failure(
    framework: Framework, train: Any, output: Path,
    failure: Callable[[str], list[float]], error: type[Exception],
) -> None:  # fmt: skip
    texts = list(train.queries.values())
    failing = make_planted(
        framework, lambda text: (failure if text == texts[99] else query_vector)(text)
    )
    with pytest.raises(error):
        framework.engines.adapter(train, failing, model_output_path=output).finetune()
    healthy = make_planted(framework)  # same name and settings, hence the same cache
    framework.engines.adapter(train, healthy, model_output_path=output).finetune()
    finished = [text for text in texts if text not in set(healthy.queries)]
    assert finished == texts[: 1 + 4 * BATCH]  # the first query alone, then whole batches


# The trained model


def test_the_served_model_is_the_adapter_on_the_base(
    framework: Framework, engine: Any, planted: Any, output: Path
) -> None:
    engine.finetune()
    model = engine.get_finetuned_model()
    assert isinstance(model, framework.linear)  # type: ignore[arg-type]
    saved = read_adapter(output)
    query = np.array(query_vector(QUESTION), dtype=np.float32)
    expected = saved.adapter(query).tolist()
    for served in (model, framework.linear(planted, output)):
        assert framework.calls.query(served, QUESTION) == expected
        assert framework.calls.documents(served, ["text"]) == [document_vector("text")]
        served.verify()
    assert saved.record.base_model == "planted"
    assert saved.record.training["verdict"] == str(engine.result.training.verdict)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "with_memory", "kinds"),
    [
        ({}, {True, False}, {"kernel", "linear"}),
        ({"memory": "auto"}, {True, False}, {"kernel", "linear"}),
        ({"memory": True}, {True}, {"kernel"}),
        ({"memory": False}, {False}, {"linear"}),
    ],
    ids=["default", "auto", "True", "False"],
)
def test_one_class_serves_whatever_training_saved(
    framework: Framework, train: Any, planted: Any, output: Path,
    options: dict[str, Any], with_memory: set[bool], kinds: set[str],
) -> None:  # fmt: skip
    engine = framework.engines.adapter(
        train, planted, model_output_path=output, guard="off", strengths=[0.1], whitenings=[0.0],
        n_folds=2, **options,
    )  # fmt: skip
    engine.finetune()
    table = [row.candidate for row in engine.result.training.table]
    fitted = [candidate for candidate in table if np.isfinite(candidate.strength)]
    assert {candidate.memory is not None for candidate in fitted} == with_memory
    adapter = engine.result.saved.adapter
    assert adapter.kind in kinds
    model = engine.get_finetuned_model()
    expected = adapter(np.array(query_vector(QUESTION), dtype=np.float32)).tolist()
    assert expected != query_vector(QUESTION)
    for served in (model, framework.linear(planted, output), framework.adapted(planted, output)):
        assert framework.calls.query(served, QUESTION) == expected
        assert framework.calls.documents(served, ["text"]) == [document_vector("text")]
    assert isinstance(model, framework.linear)  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", ["on", "True", 1, None])
def test_a_memory_that_is_neither_a_flag_nor_auto_is_refused(
    framework: Framework, train: Any, planted: Any, memory: Any
) -> None:
    told = f'memory: expected "auto", True or False, got {memory!r}'
    with pytest.raises(TypeError, match=told):
        framework.engines.adapter(train, planted, memory=memory)
    assert planted.calls == []


def test_a_model_that_gives_every_question_one_vector_is_kept(
    framework: Framework, train: Any, output: Path
) -> None:
    base = make_planted(framework, lambda text: document_vector("the same"))
    engine = framework.engines.adapter(train, base, model_output_path=output, n_folds=2)
    engine.finetune()
    assert engine.result.decision == "base"
    assert framework.calls.query(engine.get_finetuned_model(), QUESTION) == document_vector(
        "the same"
    )


class TestRefining:
    """Tests of training that starts from an adapter instead of from the base."""

    def save(self, folder: Path, *, base_model: str) -> None:
        record = AdapterRecord(base_model=base_model)
        save_adapter(SavedAdapter(adapter=LinearAdapter(MIXING.T), record=record), folder)

    @pytest.mark.parametrize("stored", [False, True])
    def test_strong_regularization_returns_that_adapter(
        self, framework: Framework, train: Any, planted: Any, tmp_path: Path, stored: bool
    ) -> None:
        self.save(tmp_path / "first", base_model="planted")
        store = framework.stores.in_memory(DOCUMENTS, planted) if stored else None
        engine = framework.engines.refine(
            train, planted, tmp_path / "first", store=store,
            model_output_path=tmp_path / "x", strengths=[1e6], memory=False,
        )  # fmt: skip
        engine.finetune()
        np.testing.assert_allclose(linear(engine).weight, MIXING.T, atol=1e-4)

    @pytest.mark.slow
    def test_an_adapter_with_a_memory_keeps_it_and_learns_from_new_questions(
        self, framework: Framework, train: Any, other: Any, planted: Any, tmp_path: Path
    ) -> None:
        options: dict[str, Any] = {"guard": "off", "whitenings": [0.0], "n_folds": 2}
        first = framework.engines.adapter(
            train, planted, model_output_path=tmp_path / "first", memory=True, strengths=[100.0],
            **options,
        )  # fmt: skip
        first.finetune()
        old = first.result.saved.adapter
        assert isinstance(old, KernelAdapter)
        refined = framework.engines.refine(
            other, planted, tmp_path / "first", model_output_path=tmp_path / "refined",
            strengths=[0.1], **options,
        )  # fmt: skip
        refined.finetune()
        assert refined.result.decision == "adapter"
        assert refined.result.expected_gain.low > 0  # over the old adapter
        new = read_adapter(tmp_path / "refined").adapter
        assert isinstance(new, KernelAdapter)
        np.testing.assert_array_equal(new.values, old.values)
        np.testing.assert_array_equal(new.landmarks, old.landmarks)
        assert not np.allclose(new.linear.weight, old.linear.weight, atol=0.01)
        served = framework.linear(planted, tmp_path / "refined")
        query = np.array(query_vector(QUESTION), dtype=np.float32)
        assert framework.calls.query(served, QUESTION) == new(query).tolist()
        store = framework.stores.in_memory(OTHERS, planted)
        before = ndcg(framework, store, framework.linear(planted, tmp_path / "first"), other)
        assert ndcg(framework, store, served, other) > before + 0.05

    def test_where_nothing_is_gained_the_adapter_with_its_memory_stays(
        self, framework: Framework, train: Any, tmp_path: Path
    ) -> None:
        base = framework.make_base(width=DIM, model_name="noise")
        rng = np.random.default_rng(0)
        start = KernelAdapter(
            LinearAdapter.identity(DIM), rng.normal(size=(3, DIM)), rng.normal(size=(3, DIM)), 2.5
        )
        record = AdapterRecord(base_model="noise")
        save_adapter(SavedAdapter(adapter=start, record=record), tmp_path / "first")
        engine = framework.engines.refine(
            train, base, tmp_path / "first", model_output_path=tmp_path / "x", n_folds=2
        )
        engine.finetune()
        assert engine.result.decision == "start"
        assert read_adapter(tmp_path / "x").adapter.fingerprint == start.fingerprint

    def test_an_adapter_of_another_kind_is_refused(
        self, framework: Framework, train: Any, planted: Any, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        class Whole(LengthKeepingAdapter):
            kind = "whole"
            dim_in = dim_out = DIM
            is_identity = False

            def mapped(self, queries: Vectors) -> Vectors:
                return 2 * queries

            def tensors(self) -> dict[str, NDArray[np.float32]]:
                return {"factor": np.full(1, 2, np.float32)}

            @classmethod
            def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
                return cls()

        monkeypatch.setitem(ADAPTER_KINDS, "whole", Whole)
        record = AdapterRecord(base_model="planted")
        save_adapter(SavedAdapter(adapter=Whole(), record=record), tmp_path)
        with pytest.raises(AdapterMismatchError, match="LinearAdapter or KernelAdapter, got Whole"):
            framework.engines.refine(train, planted, tmp_path)

    def test_an_adapter_of_another_model_is_refused(
        self, framework: Framework, train: Any, planted: Any, tmp_path: Path
    ) -> None:
        self.save(tmp_path, base_model="another")
        with pytest.raises(AdapterMismatchError, match=r"'another'.*'planted'"):
            framework.engines.refine(train, planted, tmp_path)

    def test_an_object_that_is_no_adapter_is_refused(
        self, framework: Framework, train: Any, planted: Any
    ) -> None:
        with pytest.raises(AdapterMismatchError, match="expected a query_adapters LinearAdapter"):
            framework.engines.adapter(train, planted, adapter_model=object())


class TestRefusals:
    """Tests that invalid input raises an error before anything is embedded."""

    @pytest.mark.parametrize("left_behind", [False, True])
    def test_a_model_before_training(self, engine: Any, output: Path, left_behind: bool) -> None:
        if left_behind:  # by another engine
            save_adapter(LinearAdapter(MIXING), output)
        with pytest.raises(NotFinetunedError, match=r"call finetune\(\) first"):
            engine.get_finetuned_model()

    def test_an_object_that_is_no_model(self, framework: Framework, train: Any) -> None:
        told = rf"expected a {framework.label} embedding model .* got int"
        with pytest.raises(TypeError, match=told):
            framework.engines.adapter(train, 7)

    def test_validation_on_training_questions(
        self, framework: Framework, train: Any, planted: Any
    ) -> None:
        with pytest.raises(LeakageError, match="240 of 240"):
            framework.engines.adapter(train, planted, val_dataset=train)
        assert planted.calls == []

    def test_an_empty_dataset(self, framework: Framework, planted: Any) -> None:
        empty = SimpleNamespace(queries={}, corpus={}, relevant_docs={})
        with pytest.raises(InvalidDatasetError, match="no queries"):
            framework.engines.adapter(empty, planted)

    def test_a_file_at_the_path_of_the_output_folder(
        self, framework: Framework, train: Any, planted: Any, output: Path
    ) -> None:
        output.touch()
        with pytest.raises(NotADirectoryError, match="expected a folder"):
            framework.engines.adapter(train, planted, model_output_path=output)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"seen_share": 1.5}, ValueError, "expected a seen_share between 0 and 1"),
            ({"n_folds": 1}, ValueError, "expected at least 2 folds"),
            ({"n_jobs": 0}, ValueError, "expected n_jobs of None or a whole number"),
            ({"device": "cuda:99"}, ValueError, r"device: expected one of cpu.*, got 'cuda:99'"),
            ({"strengths": []}, ValueError, "expected .*strengths above 0"),
            ({"guard": "lax"}, ValueError, "expected a guard of"),
            ({"metric": "mrr"}, UnknownMetricError, "unknown metric 'mrr'"),
            ({"metrics": "mrr@3"}, TypeError, "unexpected arguments: metrics; settings of .* seed"),
            ({"n_repeats": 2, "rate": 4}, TypeError, "unexpected arguments: n_repeats, rate"),
        ],
    )
    def test_settings_out_of_range_and_unknown_ones(
        self, framework: Framework, train: Any, planted: Any,
        options: dict[str, Any], error: type[Exception], message: str,
    ) -> None:  # fmt: skip
        with pytest.raises(error, match=message):
            framework.engines.adapter(train, planted, **options)

    def test_an_object_that_is_no_store(
        self, framework: Framework, train: Any, planted: Any
    ) -> None:
        told = r"expected a (VectorStoreIndex|vector store).* got str; "
        with pytest.raises(TypeError, match=told):
            framework.engines.adapter(train, planted, store="store")

    def test_an_empty_store(self, framework: Framework, train: Any, planted: Any) -> None:
        store = framework.stores.in_memory({}, planted)
        with pytest.raises(InvalidVectorsError, match="at least one stored vector"):
            framework.engines.adapter(train, planted, store=store)

    def test_a_wrong_dimension_costs_one_query(
        self, framework: Framework, train: Any, planted: Any, output: Path
    ) -> None:
        engine = framework.engines.adapter(train, planted, dim=99, model_output_path=output)
        with pytest.raises(DimensionMismatchError, match="expected 99 dimensions, got 16"):
            engine.finetune()
        assert (len(planted.queries), len(planted.documents)) == (1, 0)

    def test_a_store_of_another_model_costs_one_query(
        self, framework: Framework, train: Any, planted: Any, output: Path
    ) -> None:
        store = framework.stores.in_memory(OTHERS, framework.make_base(width=4))
        engine = framework.engines.adapter(train, planted, store=store, model_output_path=output)
        with pytest.raises(DimensionMismatchError, match="expected 4 dimensions, got 16"):
            engine.finetune()
        assert (len(planted.queries), len(planted.documents)) == (1, 0)
