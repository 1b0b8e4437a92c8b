"""Tests of end-to-end fine-tuning: embedded texts, early errors and the saved record."""

import logging
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.adapters.serving import check_fits, check_probe, probe_of
from query_adapters.adapters.storage import read_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.data.splits import split_by_query
from query_adapters.embedders import SentenceTransformerEmbedder
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidVectorsError,
    LeakageError,
)
from query_adapters.evaluation import evaluate_vectors
from query_adapters.finetuning.adapter import AdapterFinetuner
from query_adapters.stores import StoredVectors
from query_adapters.training import AdapterTrainer
from query_adapters.training.exponent_selection import EXPONENT_INCREMENTS
from query_adapters.training.memory import memories_of
from query_adapters.training.prior import spectral_prior
from query_adapters.typing import Vectors
from tests.tiny_model import save_tiny_model, toy_dataset

TRAINER = AdapterTrainer(strengths=(0.3, 0.03), whitenings=(0.0,), n_folds=2)
RUN = """
from pathlib import Path
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.finetuning.adapter import AdapterFinetuner
from query_adapters.training import AdapterTrainer
texts = {f"q{i}": f"question {i}" for i in range(10)}
dataset = RetrievalDataset(texts, {"d": "document"}, {q: {"d": 1} for q in texts})
AdapterFinetuner(
    dataset=dataset, embedder=FakeEmbedder(after=2, then="kill"), output=Path(sys.argv[1]),
    trainer=AdapterTrainer(),
).run()
"""


@pytest.fixture(scope="session")
def problem(make_problem: Callable[..., Any]) -> Any:
    return make_problem()


@pytest.fixture
def embedder(make_embedder: Callable[..., Any], problem: Any) -> Any:
    return make_embedder(batch_size=32, vectors=problem.vectors)


@pytest.fixture
def make_finetuner(problem: Any, embedder: Any, tmp_path: Path) -> Callable[..., AdapterFinetuner]:
    """Return a function that makes a finetuner for the problem, with a new output folder."""

    def make(**changes: Any) -> AdapterFinetuner:
        given = {"dataset": problem.dataset, "embedder": embedder, "trainer": TRAINER}
        return AdapterFinetuner(**(given | {"output": tmp_path / "out"} | changes))

    return make


def index_of(problem: Any, *, documents: list[str], others: int = 0) -> StoredVectors:
    """Return an index of these documents of the dataset and `others` random ones."""
    rng = np.random.default_rng(7)
    rows = [problem.vectors[problem.dataset.corpus[key]] for key in documents]
    rows += list(rng.normal(size=(others, 8)) * [9, 3, 1, 1, 1, 1, 1, 1])
    ids = (*documents, *(f"other {i}" for i in range(others)))
    return StoredVectors(ids, np.array(rows, dtype=np.float32))


def weight_of(adapter: object) -> Vectors:
    """Return the matrix of the linear part."""
    if isinstance(adapter, KernelAdapter):
        return adapter.linear.weight
    assert isinstance(adapter, LinearAdapter)
    return adapter.weight


def test_questions_turned_away_from_their_documents_are_turned_back(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any, embedder: Any
) -> None:
    training, held_out = split_by_query(problem.dataset, held_out=0.25)
    result = make_finetuner(dataset=training, val_dataset=held_out).run()
    assert result.validation is not None
    measured = result.validation["ndcg@10"]
    assert measured.difference.low > 0.2
    vectors = embed_dataset(held_out, embedder)
    assert measured.base.mean == pytest.approx(evaluate_vectors(vectors).means["ndcg@10"])
    again = evaluate_vectors(vectors, result.saved.adapter).means["ndcg@10"]
    assert measured.adapted.mean == pytest.approx(again)


def test_validation_counts_questions_of_one_document_as_one(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any
) -> None:
    training, held_out = split_by_query(problem.dataset, held_out=0.5)
    result = make_finetuner(dataset=training, val_dataset=held_out).run()
    n_documents = len(held_out.labelled_documents)
    assert 20 <= n_documents < len(held_out.queries)
    assert result.validation is not None
    assert result.validation["ndcg@10"].n_groups == n_documents


def test_every_text_is_embedded_once_and_none_in_a_second_run(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any, embedder: Any
) -> None:
    training, held_out = split_by_query(problem.dataset)
    first = make_finetuner(dataset=training, val_dataset=held_out).run()
    assert sorted(embedder.embedded("query")) == sorted(problem.dataset.queries.values())
    assert sorted(embedder.embedded("document")) == sorted(problem.dataset.corpus.values())
    embedder.calls.clear()
    second = make_finetuner(dataset=training, val_dataset=held_out).run()
    assert embedder.calls == []
    assert second.saved.adapter.fingerprint == first.saved.adapter.fingerprint


@pytest.mark.parametrize("n_stored", [1, 25, 40])
def test_only_documents_that_the_index_lacks_are_embedded(
    n_stored: int, make_finetuner: Callable[..., AdapterFinetuner], problem: Any, embedder: Any
) -> None:
    keys = list(problem.dataset.corpus)
    make_finetuner(index=index_of(problem, documents=keys[:n_stored], others=5)).run()
    expected = [problem.dataset.corpus[key] for key in keys[n_stored:]]
    assert embedder.embedded("document") == expected
    assert len(embedder.embedded("query")) == len(problem.dataset.queries)


def test_the_cache_may_lie_elsewhere(
    make_finetuner: Callable[..., AdapterFinetuner], tmp_path: Path
) -> None:
    make_finetuner(cache_path=tmp_path / "shared.sqlite").run()
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["README.md", "adapter.json", "adapter.safetensors"]
    assert (tmp_path / "shared.sqlite").stat().st_size > 0


@pytest.mark.slow
def test_a_killed_run_is_taken_up_where_it_was(
    run_python: Callable[..., CompletedProcess[str]],
    make_embedder: Callable[..., Any],
    tmp_path: Path,
) -> None:
    killed = run_python(RUN, tmp_path / "out")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    texts = {f"q{i}": f"question {i}" for i in range(10)}
    dataset = RetrievalDataset(texts, {"d": "document"}, {query: {"d": 1} for query in texts})
    embedder = make_embedder()
    AdapterFinetuner(
        dataset=dataset, embedder=embedder, output=tmp_path / "out", trainer=TRAINER
    ).run()
    assert embedder.embedded("query") == [f"question {i}" for i in range(5, 10)]  # 1 + 4 are cached
    assert embedder.embedded("document") == ["document"]


def test_a_provider_that_hangs_up_leaves_the_old_adapter_and_the_paid_vectors(
    make_finetuner: Callable[..., AdapterFinetuner],
    make_embedder: Callable[..., Any],
    problem: Any,
    tmp_path: Path,
) -> None:
    old = make_finetuner(cache_path=tmp_path / "other.sqlite").run()
    broken = make_embedder(batch_size=32, vectors=problem.vectors, after=3)
    with pytest.raises(ConnectionError):
        make_finetuner(embedder=broken).run()
    left = read_adapter(tmp_path / "out")
    assert left.adapter.fingerprint == old.saved.adapter.fingerprint
    assert left.record.training["elapsed_seconds"] == round(old.training.elapsed_seconds, 3)
    whole = make_embedder(batch_size=32, vectors=problem.vectors)
    make_finetuner(embedder=whole).run()
    assert len(whole.embedded("query")) == 80 - (1 + 32 + 32)


def test_leaked_questions_are_refused_before_anything_is_paid_for(
    make_finetuner: Callable[..., AdapterFinetuner], embedder: Any, tmp_path: Path
) -> None:
    leaked = RetrievalDataset({"v": "Question 3!"}, {"d": "document 3"}, {"v": {"d": 1}})
    with pytest.raises(LeakageError, match="1 of 1 validation questions"):
        make_finetuner(val_dataset=leaked)
    assert embedder.calls == []
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_refused_before_anything_is_paid_for(
    make_finetuner: Callable[..., AdapterFinetuner], embedder: Any, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(NotADirectoryError, match="expected a folder for the adapter"):
        make_finetuner()
    assert embedder.calls == []
    assert (tmp_path / "out").read_text() == "precious"


@pytest.mark.parametrize(
    "changes",
    [
        {"dim": 9},
        {"index": StoredVectors(("other",), np.ones((1, 9), dtype=np.float32))},
        {"start": LinearAdapter.identity(9)},
    ],
)
def test_a_wrong_dimension_costs_one_question(
    changes: dict[str, Any], make_finetuner: Callable[..., AdapterFinetuner], embedder: Any
) -> None:
    with pytest.raises(DimensionMismatchError):
        make_finetuner(**changes).run()
    assert sum(len(texts) for _, texts in embedder.calls) == 1


def test_an_adapter_of_another_dimension_than_the_index_costs_nothing(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any, embedder: Any
) -> None:
    index = index_of(problem, documents=["d0"])
    with pytest.raises(DimensionMismatchError, match="expected 9 dimensions, got 8"):
        make_finetuner(index=index, start=LinearAdapter.identity(9))
    assert embedder.calls == []


def test_an_adapter_to_refine_that_is_not_square_costs_nothing(
    make_finetuner: Callable[..., AdapterFinetuner],
) -> None:
    with pytest.raises(DimensionMismatchError, match=r"expected 8 dimensions, got 3; .* square"):
        make_finetuner(start=LinearAdapter(np.ones((3, 8))))


@pytest.mark.parametrize("n_ids", [0, 2])
def test_an_index_with_other_ids_than_vectors_is_refused(n_ids: int) -> None:
    with pytest.raises(InvalidVectorsError, match=f"got {n_ids} ids and vectors of shape"):
        StoredVectors(tuple("ab"[:n_ids]), np.ones((1, 3), dtype=np.float32))


def test_the_saved_folder_holds_what_the_result_holds(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any, tmp_path: Path
) -> None:
    training, held_out = split_by_query(problem.dataset)
    result = make_finetuner(dataset=training, val_dataset=held_out).run()
    read = read_adapter(tmp_path / "out")
    assert read.adapter.fingerprint == result.training.adapter.fingerprint
    assert not read.adapter.is_identity
    assert read.record.base_model == "fake"
    assert read.record.probe_text == next(iter(training.queries.values()))
    assert read.probe_vector is not None
    assert read.probe_vector.tolist() == problem.vectors[read.record.probe_text].tolist()
    record = read.record.training
    assert record["verdict"] == str(result.verdict) == str(result)
    assert (record["decision"], record["p_value"]) == ("adapter", result.p_value)
    assert record["expected_gain"] == vars(result.expected_gain)
    assert record["advice"] == result.advice == "deploy it"
    assert len(record["table"]) == len(result.training.table) > 1
    assert record["chosen"] in record["table"]
    assert result.validation is not None
    validated = result.validation["ndcg@10"].difference
    assert f"\nValidation: {validated.mean:+.3f} ndcg@10, 95 % interval [" in str(result)
    assert "Validation" not in str(result.training)
    expected = {name: c.difference.mean for name, c in result.validation.items()}
    assert {name: d["mean"] for name, d in record["validation"].items()} == expected
    assert record["libraries"]["numpy"] == np.__version__


def test_no_path_of_the_training_machine_is_saved(
    make_finetuner: Callable[..., AdapterFinetuner], tmp_path: Path
) -> None:
    here, elsewhere = tmp_path / "models" / "tiny-bert", tmp_path / "other" / "tiny-bert"
    toy, embedder = toy_dataset(n_documents=20), SentenceTransformerEmbedder(save_tiny_model(here))
    make_finetuner(dataset=toy, embedder=embedder).run()
    folder = tmp_path / "out"
    for name in ("adapter.safetensors", "adapter.json", "README.md"):
        assert str(tmp_path).encode() not in (folder / name).read_bytes()
    assert "# Query adapter for tiny-bert\n" in (folder / "README.md").read_text(encoding="utf-8")
    shutil.copytree(here, elsewhere)
    saved = read_adapter(folder)
    for path in (here, elsewhere):
        again = SentenceTransformerEmbedder(path)
        check_fits(saved, model_name=again.model_name, dim=None)
        text, expected = probe_of(saved)
        check_probe(again.embed_queries([text])[0].tolist(), expected, model_name=again.model_name)
    with pytest.raises(AdapterMismatchError, match="expected the embedding model 'tiny-bert'"):
        check_fits(saved, model_name=str(tmp_path / "another"), dim=None)


def test_without_validation_questions_none_is_recorded(
    make_finetuner: Callable[..., AdapterFinetuner], tmp_path: Path
) -> None:
    assert make_finetuner().run().validation is None
    assert read_adapter(tmp_path / "out").record.training["validation"] == {}


def test_validation_measures_the_metric_of_the_trainer_as_well(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any
) -> None:
    training, held_out = split_by_query(problem.dataset)
    trainer = AdapterTrainer(strengths=(0.3,), whitenings=(0.0,), n_folds=2, metric="recall@7")
    result = make_finetuner(dataset=training, val_dataset=held_out, trainer=trainer).run()
    assert result.validation is not None
    assert "recall@7" in result.validation


def test_an_index_with_all_labelled_documents_is_searched_whole(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any
) -> None:
    index = index_of(problem, documents=list(problem.dataset.corpus), others=60)
    alone, over_index = make_finetuner().run(), make_finetuner(index=index).run()
    assert alone.training.n_documents == 40
    assert over_index.training.n_documents == 100
    assert over_index.training.table != alone.training.table


def test_the_order_and_extra_documents_of_an_index_do_not_mix_up_the_labels(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any
) -> None:
    index = index_of(problem, documents=list(problem.dataset.corpus)[::-1], others=3)
    training, held_out = split_by_query(problem.dataset, held_out=0.25)
    result = make_finetuner(dataset=training, val_dataset=held_out, index=index).run()
    assert result.validation is not None
    assert result.validation["ndcg@10"].difference.low > 0.2


def test_over_an_index_of_other_documents_what_was_learned_sits_on_its_own_prior(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any, embedder: Any
) -> None:
    index = index_of(problem, documents=[], others=60)
    trainer = AdapterTrainer(strengths=(0.3,), whitenings=(0.3,), n_folds=2, seen_share=0)
    alone = make_finetuner(trainer=trainer).run()
    served = make_finetuner(trainer=trainer, index=index).run()
    assert served.training.n_documents == 40
    here = spectral_prior(embed_dataset(problem.dataset, embedder).documents, exponent=0.3)
    theirs = [spectral_prior(index.vectors, exponent=0.3 + more) for more in EXPONENT_INCREMENTS]
    assert not np.allclose(here, theirs[0], atol=0.1)
    moved = weight_of(served.saved.adapter) - weight_of(alone.saved.adapter)
    assert any(np.allclose(moved, there - here, atol=1e-5) for there in theirs)


def test_validation_questions_search_the_whole_index_too(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any, embedder: Any
) -> None:
    training, held_out = split_by_query(problem.dataset, held_out=0.25)
    corpus = dict(list(problem.dataset.corpus.items())[:30])  # the index lacks some documents
    held_out = held_out.select(
        [q for q in held_out.queries if set(held_out.qrels[q]) <= set(corpus)]
    )
    index = index_of(problem, documents=list(corpus)[::-1], others=60)
    result = make_finetuner(dataset=training, val_dataset=held_out, index=index).run()
    assert result.validation is not None
    whole = {f"other {i}": f"other {i}" for i in range(60)}
    everything = RetrievalDataset(held_out.queries, problem.dataset.corpus | whole, held_out.qrels)
    others = {key: index.vectors[30 + i] for i, key in enumerate(whole)}
    vectors = embed_dataset(everything, embedder, stored=others)
    expected = evaluate_vectors(vectors, result.saved.adapter).means
    for name, measured in result.validation.items():
        assert measured.adapted.mean == pytest.approx(expected[name])


def test_of_a_sampled_index_the_share_is_that_of_the_whole(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any
) -> None:
    index = index_of(problem, documents=list(problem.dataset.corpus), others=10)
    row = make_finetuner(index=replace(index, n_stored=400)).run().training.table[-1]
    assert row.seen is not None
    assert row.unseen is not None
    assert row.overall.mean == pytest.approx(0.1 * row.seen.mean + 0.9 * row.unseen.mean)


@pytest.mark.parametrize(
    ("n_stored", "others", "given", "views"),
    [
        (40, 0, None, {"seen"}),  # every document has training questions
        (40, 60, None, {"seen", "unseen"}),
        (40, 60, 1.0, {"seen"}),
    ],
)
def test_the_share_of_seen_documents_is_that_of_the_index_unless_given(
    n_stored: int,
    others: int,
    given: float | None,
    views: set[str],
    make_finetuner: Callable[..., AdapterFinetuner],
    problem: Any,
) -> None:
    documents = list(problem.dataset.corpus)[:n_stored]
    index = index_of(problem, documents=documents, others=others)
    row = (
        make_finetuner(index=index, trainer=replace(TRAINER, seen_share=given))
        .run()
        .training.table[-1]
    )
    assert {name for name in ("seen", "unseen") if getattr(row, name)} == views
    if len(views) == 2:
        assert row.seen is not None
        assert row.unseen is not None
        expected = 0.4 * row.seen.mean + 0.6 * row.unseen.mean
        assert row.overall.mean == pytest.approx(expected)


def test_labels_that_say_nothing_keep_the_base_and_give_the_reason(
    make_finetuner: Callable[..., AdapterFinetuner],
    make_problem: Callable[..., Any],
    make_embedder: Callable[..., Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    noise = make_problem(random_labels=True)
    embedder = make_embedder(vectors=noise.vectors)
    with caplog.at_level(logging.INFO, logger="query_adapters"):
        result = make_finetuner(dataset=noise.dataset, embedder=embedder).run()
    assert result.training.chosen is None
    assert result.decision == "base"
    assert result.verdict.one_line in caplog.messages
    assert "\n" not in result.verdict.one_line
    read = read_adapter(tmp_path / "out")
    assert read.adapter.is_identity
    assert read.record.training["verdict"] == str(result.training.verdict)
    assert read.record.training["chosen"] is None
    assert len(read.record.training["table"]) > 1


def test_a_single_question_keeps_the_base(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any
) -> None:
    result = make_finetuner(dataset=problem.dataset.select(["q3"])).run()
    assert "not measured; there are too few questions to hold any out" in str(result)
    assert result.saved.adapter.is_identity


@pytest.mark.parametrize("memory", [False, True])
def test_an_adapter_to_refine_is_where_training_starts(
    memory: bool, make_finetuner: Callable[..., AdapterFinetuner]
) -> None:
    start = make_finetuner(trainer=replace(TRAINER, memories=memories_of(memory))).run()
    stiff = AdapterTrainer(strengths=(1e6,), n_folds=2, guard="off")
    refined = make_finetuner(trainer=stiff, start=start.saved.adapter).run().saved.adapter
    assert refined.kind == start.saved.adapter.kind == ("kernel" if memory else "linear")
    np.testing.assert_allclose(weight_of(refined), weight_of(start.saved.adapter), atol=1e-3)


@pytest.mark.parametrize("memory", [False, True])
def test_an_adapter_to_refine_is_improved_where_labels_ask_for_it(
    memory: bool, make_finetuner: Callable[..., AdapterFinetuner], problem: Any
) -> None:
    training, held_out = split_by_query(problem.dataset, held_out=0.25)
    few = training.select(list(training.queries)[:10])
    trainer = replace(TRAINER, memories=memories_of(memory), strengths=(1.0,), guard="off")
    start = make_finetuner(dataset=few, trainer=trainer).run().saved.adapter
    changes = {"dataset": training, "val_dataset": held_out}
    by_start = make_finetuner(**changes, trainer=replace(trainer, strengths=(1e6,)), start=start)
    refined = make_finetuner(**changes, start=start).run()
    assert refined.decision == "adapter"
    assert refined.saved.adapter.kind == "kernel" or not memory
    before, after = by_start.run().validation, refined.validation
    assert before is not None
    assert after is not None
    assert after["ndcg@10"].adapted.mean > before["ndcg@10"].adapted.mean + 0.05


def test_documents_that_left_the_index_do_not_change_what_is_searched(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any, caplog: pytest.LogCaptureFixture
) -> None:
    keys = list(problem.dataset.corpus)
    whole = make_finetuner(index=index_of(problem, documents=keys, others=60)).run()
    assert not caplog.messages or "not in the index" not in " ".join(caplog.messages)
    stale = make_finetuner(index=index_of(problem, documents=keys[1:], others=60)).run()
    assert stale.training.n_documents == whole.training.n_documents == 100
    (warning,) = [message for message in caplog.messages if "not in the index" in message]
    assert warning == (
        f"1 of 40 documents with questions are not in the index, such as {keys[0]!r}: "
        "they are embedded"
    )


def test_the_same_documents_under_other_ids_are_reported(
    make_finetuner: Callable[..., AdapterFinetuner], problem: Any, caplog: pytest.LogCaptureFixture
) -> None:
    index = index_of(problem, documents=list(problem.dataset.corpus), others=5)
    renamed = replace(index, ids=tuple(f"node-{number}" for number in range(len(index.ids))))
    make_finetuner(index=renamed).run()
    (warning,) = [message for message in caplog.messages if "not in the index" in message]
    assert "but their vectors are" in warning
    assert "use the ids of the index" in warning
