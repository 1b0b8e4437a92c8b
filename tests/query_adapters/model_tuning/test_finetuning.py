"""Tests of model tuning: learning, selection of the best weights, and the reported gain."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.data.splits import split_by_document
from query_adapters.data.units import Units
from query_adapters.embedders import SentenceTransformerEmbedder
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    LeakageError,
    NotFinetunedError,
)
from query_adapters.evaluation import evaluate_vectors
from query_adapters.model_tuning import (
    TowerFinetuneEngine,
    TowerResult,
    TowerSettings,
)
from query_adapters.model_tuning.finetuner import TowerFinetuner
from query_adapters.model_tuning.folder import RECORD
from query_adapters.stores import StoredVectors
from tests.query_adapters.model_tuning.conftest import tune
from tests.tiny_model import FILLERS, save_tiny_model

pytestmark = pytest.mark.slow


def ndcg(model: SentenceTransformer, dataset: RetrievalDataset) -> float:
    embedder = SentenceTransformerEmbedder.from_model(model, model_name="m")
    return evaluate_vectors(embed_dataset(dataset, embedder)).means["ndcg@10"]


def load(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def held_out_looks(folder: Path) -> dict[int, float]:
    """Return mean nDCG@10 of each evaluation by step, from the evaluator's CSV file."""
    (csv,) = (folder / "eval").glob("*.csv")
    header, *rows = (line.split(",") for line in csv.read_text(encoding="utf-8").splitlines())
    step, value = header.index("steps"), header.index("cosine-NDCG@10")
    return {int(row[step]): float(row[value]) for row in rows}


def same_weights(one: SentenceTransformer, other: SentenceTransformer) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def test_the_model_learns_words_that_questions_have_for_themselves(
    full: TowerResult, toy: RetrievalDataset
) -> None:
    gain = full.judgement.comparison["ndcg@10"]
    assert gain.base.mean < 0.2
    assert gain.difference.low > 0.5
    assert full.judgement.is_tuned
    assert full.p_value is not None
    assert full.p_value <= 0.001
    assert (full.decision, full.expected_gain) == ("model", gain.difference)
    assert str(full).startswith("Use the tuned model.\nExpected gain: +0.")
    assert f" ({full.n_held_out} held-out questions).\nConfidence: p = " in str(full)
    assert full.advice.startswith("embed all documents again")
    assert full.n_training + full.n_held_out == len(toy.queries)


def test_the_saved_model_is_the_one_that_was_judged(
    full: TowerResult, toy: RetrievalDataset
) -> None:
    _, held_out = split_by_document(toy, held_out=0.2, seed=0)
    judged = full.judgement.comparison["ndcg@10"].adapted.mean
    assert ndcg(load(full.folder), held_out) == pytest.approx(judged, abs=1e-6)
    record = json.loads((full.folder / RECORD).read_text(encoding="utf-8"))
    assert record["held_out"]["ndcg@10"]["adapted"]["mean"] == judged
    assert record["verdict"] == str(full.verdict)
    assert (record["decision"], record["p_value"]) == ("model", full.p_value)
    assert record["base_model"] == "tiny-bert"


def test_the_weights_that_were_best_on_the_way_are_kept(full: TowerResult) -> None:
    looks = held_out_looks(full.folder)
    assert len(looks) >= 3
    assert full.judgement.shares[1.0] == pytest.approx(max(looks.values()), abs=1e-6)
    assert looks[full.best_step] == max(looks.values())


def test_a_late_fall_is_not_kept(toy: RetrievalDataset, tiny: str, tmp_path: Path) -> None:
    class Spoiling(MultipleNegativesRankingLoss):
        """A loss that is negated after 40 steps."""

        n_calls = 0

        def forward(self, *arguments: Any) -> torch.Tensor:
            self.n_calls += 1
            loss: torch.Tensor = super().forward(*arguments)
            return loss if self.n_calls <= 40 else -10 * loss

    result = tune(
        toy,
        tiny,
        tmp_path / "tuned",
        loss=Spoiling,
        evaluation_steps=10,
        interpolations=(1.0,),
        training_args={"lr_scheduler_type": "constant"},
    )
    looks = held_out_looks(result.folder)
    assert result.best_step <= 40
    assert looks[max(looks)] < max(looks.values()) - 0.1
    assert result.judgement.shares[1.0] == pytest.approx(max(looks.values()), abs=1e-6)


def test_on_shuffled_labels_the_base_is_kept_and_saved(
    shuffled: RetrievalDataset, tiny: str, base: SentenceTransformer, tmp_path: Path
) -> None:
    result = tune(shuffled, tiny, tmp_path / "tuned")
    assert result.decision == "base"
    assert result.p_value is not None
    assert result.p_value > 0.05
    assert "; this gain is not distinguishable from chance with " in str(result)
    assert same_weights(load(result.folder), base)


def test_without_the_guard_the_tuned_model_is_saved_all_the_same(
    shuffled: RetrievalDataset, tiny: str, base: SentenceTransformer, tmp_path: Path
) -> None:
    result = tune(
        shuffled, tiny, tmp_path / "tuned", epochs=1, train="query", keep_base_if_worse=False
    )
    assert str(result).startswith("Tuned model kept without proof of a gain (keep_base_if_worse=F")
    saved, texts = load(result.folder), list(shuffled.queries.values())[:20]
    assert not np.allclose(saved.encode_query(texts), base.encode_query(texts), atol=1e-3)


def test_only_the_output_folder_is_written_to(
    toy: RetrievalDataset, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for name in ("HOME", "HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(elsewhere))
    before = {path: path.stat().st_mtime_ns for path in Path(tiny).rglob("*")}
    tune(toy, tiny, tmp_path / "tuned", epochs=1)
    assert list(elsewhere.iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in Path(tiny).rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "tuned"]
    assert not [path.name for path in (tmp_path / "tuned").glob(".*")]
    assert not (tmp_path / "tuned" / "checkpoints").exists()


def test_a_folder_with_files_of_somebody_else_is_refused_and_left_as_it_is(
    toy: RetrievalDataset, tiny: str, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("checkpoints/mine.pt", "README.md"):
        (folder / name).write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"holds checkpoints, README\.md of another"):
        tune(toy, tiny, folder, epochs=0.2)
    for name in ("checkpoints/mine.pt", "README.md"):
        assert (folder / name).read_text(encoding="utf-8") == "mine"


def test_random_numbers_of_the_process_go_on_as_if_nothing_had_been_trained(
    toy: RetrievalDataset, tiny: str, tmp_path: Path
) -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002, S311

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    expected = drawn()
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    torch.set_rng_state(states[2])
    tune(toy, tiny, tmp_path / "tuned", epochs=0.2, interpolations=(1.0,))
    assert drawn() == expected


def test_the_same_seed_gives_the_same_weights(
    toy: RetrievalDataset, tiny: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"epochs": 0.5, "interpolations": (1.0,), "keep_base_if_worse": False}
    tuned = [load(tune(toy, tiny, tmp_path / name, **options).folder) for name in ("a", "b")]
    assert same_weights(*tuned)


class InterruptedRunError(RuntimeError):
    pass


def test_a_run_cut_short_resumes_at_its_last_checkpoint_and_ends_as_it_would_have(
    toy: RetrievalDataset, tiny: str, full: TowerResult, tmp_path: Path
) -> None:
    calls = []

    class Counting(MultipleNegativesRankingLoss):
        most = 10_000

        def forward(self, *arguments: Any) -> torch.Tensor:
            calls.append(1)
            if len(calls) > self.most:
                raise InterruptedRunError
            loss: torch.Tensor = super().forward(*arguments)
            return loss

    class CutShort(Counting):
        most = 43

    options: dict[str, Any] = {"save_checkpoints": True, "checkpoint_save_steps": 20}
    with pytest.raises(InterruptedRunError):
        tune(toy, tiny, tmp_path / "tuned", loss=CutShort, **options)
    n_steps = max(held_out_looks(full.folder))
    calls.clear()
    result = tune(
        toy, tiny, tmp_path / "tuned", loss=Counting, resume_from_checkpoint=True, **options
    )
    assert len(calls) == n_steps - 40
    looks, expected = held_out_looks(result.folder), held_out_looks(full.folder)
    assert looks.keys() == expected.keys()
    assert looks[n_steps] == pytest.approx(expected[n_steps], abs=0.02)
    assert result.judgement.shares[1.0] == pytest.approx(max(expected.values()), abs=0.02)
    assert len(list((tmp_path / "tuned" / "checkpoints").glob("checkpoint-*"))) >= 3


def test_the_query_tower_alone_learns_and_leaves_documents_bit_for_bit(
    query_tower: TowerResult, toy: RetrievalDataset, base: SentenceTransformer
) -> None:
    saved = load(query_tower.folder)
    texts = list(toy.corpus.values())
    np.testing.assert_array_equal(saved.encode_document(texts), base.encode_document(texts))
    assert query_tower.judgement.comparison["ndcg@10"].difference.low > 0.4
    assert query_tower.advice == "deploy it for queries; the index stays as it is"
    _, held_out = split_by_document(toy, held_out=0.2, seed=0)
    judged = query_tower.judgement.comparison["ndcg@10"].adapted.mean
    assert ndcg(saved, held_out) == pytest.approx(judged, abs=1e-6)


def test_the_query_tower_learns_against_the_vectors_of_the_index(
    toy: RetrievalDataset, tiny: str, base: SentenceTransformer, tmp_path: Path
) -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 32)))[0].astype(np.float32)
    documents = base.encode_document(list(toy.corpus.values())) @ turn
    index = StoredVectors(tuple(toy.corpus), documents)
    blocks = [(index.ids, index.vectors.copy())]
    result = tune(toy, tiny, tmp_path / "tuned", train="query", index=blocks)
    np.testing.assert_array_equal(index.vectors, documents)
    _, held_out = split_by_document(toy, held_out=0.2, seed=0)
    stored = dict(zip(index.ids, documents, strict=True))

    def score(model: SentenceTransformer) -> float:
        embedder = SentenceTransformerEmbedder.from_model(model, model_name="m")
        return evaluate_vectors(embed_dataset(held_out, embedder, stored=stored)).means["ndcg@10"]

    gain = result.judgement.comparison["ndcg@10"]
    assert score(base) == pytest.approx(gain.base.mean, abs=1e-6)
    assert score(load(result.folder)) == pytest.approx(gain.adapted.mean, abs=1e-6)
    assert gain.difference.low > 0.4


def test_a_pull_holds_the_query_tower_near_the_base(
    toy: RetrievalDataset, tiny: str, base: SentenceTransformer, tmp_path: Path
) -> None:
    texts = list(toy.queries.values())

    def moved(pull: float) -> float:
        options = {"interpolations": (1.0,), "keep_base_if_worse": False, "epochs": 2}
        result = tune(toy, tiny, tmp_path / str(pull), train="query", pull=pull, **options)
        vectors = load(result.folder).encode_query(texts)
        return float(np.square(vectors - base.encode_query(texts)).sum(axis=1).mean())

    assert moved(1000.0) < moved(0.0) / 4


def test_low_rank_updates_learn_and_are_folded_into_plain_weights(
    toy: RetrievalDataset, tiny: str, base: SentenceTransformer, tmp_path: Path
) -> None:
    result = tune(toy, tiny, tmp_path / "tuned", lora=8, learning_rate=1e-2)
    assert result.judgement.comparison["ndcg@10"].difference.low > 0.05
    saved, start = load(result.folder).state_dict(), base.state_dict()
    assert saved.keys() == start.keys()
    changed = {name for name in saved if not torch.equal(saved[name], start[name])}
    assert changed
    assert all(name.endswith(("query.weight", "value.weight")) for name in changed)


def test_hard_negatives_and_a_validation_set(
    toy: RetrievalDataset, tiny: str, tmp_path: Path
) -> None:
    training, held_out = split_by_document(toy, held_out=0.3, seed=1)
    result = tune(
        training, tiny, tmp_path / "tuned", val_dataset=held_out, hard_negatives=2, epochs=3
    )
    assert (result.n_training, result.n_held_out) == (len(training.queries), len(held_out.queries))
    assert result.judgement.comparison["ndcg@10"].difference.low > 0.5


def test_a_model_that_ranks_by_the_dot_product_with_a_prompt_of_its_own(
    toy: RetrievalDataset, tmp_path: Path
) -> None:
    prompts = {"query": f"{FILLERS[0]} ", "document": ""}
    folder = save_tiny_model(tmp_path / "dot", normalises=False, prompts=prompts)
    model = load(Path(folder))
    model.similarity_fn_name = "dot"
    model.save_pretrained(folder, create_model_card=False)
    result = tune(toy, folder, tmp_path / "tuned", train="query", pull=0.01)
    saved = load(result.folder)
    assert result.judgement.comparison["ndcg@10"].difference.low > 0.3
    assert saved.similarity_fn_name == "dot"
    assert saved.prompts["query"] == prompts["query"]


def test_prompts_and_length_that_are_given_are_saved(
    toy: RetrievalDataset, tiny: str, tmp_path: Path
) -> None:
    result = tune(
        toy,
        tiny,
        tmp_path / "tuned",
        epochs=0.2,
        prompts={"query": "filler0 "},
        max_seq_length=9,
        interpolations=(0.5,),
    )
    saved = load(result.folder)
    assert (saved.prompts["query"], saved.max_seq_length) == ("filler0 ", 9)


def test_a_second_run_replaces_the_first_ones_model(
    toy: RetrievalDataset, tiny: str, base: SentenceTransformer, tmp_path: Path
) -> None:
    folder = tmp_path / "tuned"
    options: dict[str, Any] = {"epochs": 0.5, "interpolations": (1.0,)}
    tune(toy, tiny, folder, train="query", keep_base_if_worse=False, **options)
    options["learning_rate"] = 1e-12
    routed = load(folder).encode_query("asked1 asked2")
    result = tune(toy, tiny, folder, **options)
    assert not result.judgement.is_tuned
    assert not np.allclose(routed, base.encode_query("asked1 asked2"))
    np.testing.assert_array_equal(
        load(folder).encode_query("asked1 asked2"), base.encode_query("asked1 asked2")
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "document"}, "expected 'both' or 'query', got 'document'"),
        ({"batch_size": 1}, "batch_size: expected at least 2, got 1"),
        ({"evaluation_steps": 0}, "evaluation_steps: expected at least 1, got 0"),
        ({"interpolations": (0.0, 1.0)}, r"expected shares in \(0, 1\], got \(0.0, 1.0\)"),
        ({"interpolations": ()}, "interpolations: expected shares"),
        ({"epochs": 0}, "epochs and learning_rate above 0"),
        ({"lora": 0}, "lora: expected a rank of at least 1, or None, got 0"),
        ({"train": "query", "hard_negatives": 3}, "neither loss nor hard_negatives"),
        ({"training_args": {"output_dir": "x"}}, "got output_dir; use model_output_path"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TowerSettings(**options)


def test_what_cannot_work_is_refused_before_a_model_is_loaded(
    toy: RetrievalDataset, tiny: str, tmp_path: Path
) -> None:
    def refused(error: type[Exception], match: str, **options: Any) -> None:
        given = {"model_output_path": tmp_path / "tuned", **options}
        with pytest.raises(error, match=match):
            TowerFinetuneEngine(toy, tiny, **given)

    (tmp_path / "file").write_text("")
    block = [(["d0"], np.ones((1, 32), dtype=np.float32))]
    refused(NotADirectoryError, "got the file", model_output_path=tmp_path / "file")
    refused(ValueError, "another folder than the base's", model_output_path=tiny)
    refused(ValueError, "or use train='query'", index=block)
    refused(ValueError, "CUDA_VISIBLE_DEVICES", device="cuda:1")
    refused(LeakageError, "validation questions are training questions", val_dataset=toy)
    refused(TypeError, "unexpected keyword argument", rank=3)


def test_a_model_with_routes_or_another_ranking_or_index_is_refused(
    toy: RetrievalDataset, tiny: str, query_tower: TowerResult, tmp_path: Path
) -> None:
    with pytest.raises(AdapterMismatchError, match="routes questions separately already"):
        tune(toy, str(query_tower.folder), tmp_path / "a", train="query")
    model = load(Path(tiny))
    model.similarity_fn_name = "manhattan"
    model.save_pretrained(str(tmp_path / "manhattan"), create_model_card=False)
    with pytest.raises(AdapterMismatchError, match="ranks by cosine or dot, got manhattan"):
        tune(toy, str(tmp_path / "manhattan"), tmp_path / "b")
    block = [(["d0"], np.ones((1, 7), dtype=np.float32))]
    with pytest.raises(DimensionMismatchError, match="expected 32 dimensions, got 7"):
        tune(toy, tiny, tmp_path / "c", train="query", index=block)


def test_there_is_no_result_before_the_training(
    toy: RetrievalDataset, tiny: str, tmp_path: Path
) -> None:
    engine = TowerFinetuneEngine(toy, tiny, model_output_path=tmp_path)
    with pytest.raises(NotFinetunedError, match="call finetune"):
        _ = engine.result


def test_labels_on_units_are_refused_before_a_model_is_loaded(
    toy: RetrievalDataset, tmp_path: Path
) -> None:
    units = Units.of(["left", "right"])
    index = StoredVectors(("a", "b"), np.eye(2, dtype=np.float32), units=units)
    with pytest.raises(ValueError, match="expected labels on its documents, got units"):
        TowerFinetuner(
            dataset=toy,
            model_id="none",
            output=tmp_path,
            settings=TowerSettings(train="query"),
            index=index,
        )
