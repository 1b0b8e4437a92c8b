"""Tests of `hybrid=True`: adapter and scoring head are learned together, saved, and read back."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import load_adapter, read_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.units import Units
from query_adapters.errors import AdapterFileError, InvalidDatasetError, MissingExtraError
from query_adapters.finetuning.adapter import FinetuneResult
from query_adapters.finetuning.engine import AdapterFinetuneEngine
from query_adapters.finetuning.hybrid import LexicalScores, SearchedQuestions
from query_adapters.fusion.storage import SavedFusion, read_fusion
from query_adapters.lexical import LexicalIndex, Tokenizer
from query_adapters.stores import StoredVectors
from query_adapters.typing import Vectors

N = 40
QUICK: dict[str, Any] = {
    "strengths": [0.3], "whitenings": [0.0], "memory": False, "n_folds": 2, "seen_share": 0.5
}  # fmt: skip
WORDS = ["red", "green", "blue", "grey", "white", "black", "pink", "brown"]


def text_of(row: int) -> str:
    """Return a document that its number tells from the others."""
    return f"the {WORDS[row % 8]} item no{row} costs a little"


def dataset_of(rows: range, *, texts: bool = True) -> RetrievalDataset:
    """Return questions with the number of their document; the fake model knows nothing of it."""
    questions = {f"q{row}": f"what does no{row} cost" for row in rows}
    corpus = {f"d{row}": text_of(row) if texts else "?!" for row in rows}
    return RetrievalDataset(questions, corpus, {f"q{row}": {f"d{row}": 1.0} for row in rows})


@pytest.fixture
def embedder(make_embedder: Callable[..., Any]) -> Any:
    return make_embedder(batch_size=64)


@pytest.fixture
def make_engine(embedder: Any, tmp_path: Path) -> Callable[..., AdapterFinetuneEngine]:
    """Return a function that makes an engine for questions that exact words answer."""

    def make(dataset: RetrievalDataset | None = None, **options: Any) -> AdapterFinetuneEngine:
        settings = QUICK | {"hybrid": True, "model_output_path": tmp_path / "out"} | options
        return AdapterFinetuneEngine(dataset or dataset_of(range(N)), embedder, **settings)

    return make


@pytest.fixture
def finetuned(make_engine: Callable[..., AdapterFinetuneEngine]) -> Callable[..., FinetuneResult]:
    """Return a function that makes an engine, finetunes, and returns the result."""

    def run(*arguments: Any, **options: Any) -> FinetuneResult:
        engine = make_engine(*arguments, **options)
        engine.finetune()
        return engine.result

    return run


def index_of(embedder: Any, ids: list[str], texts: list[str]) -> StoredVectors:
    """Return the stored vectors of these texts."""
    rows = np.stack([embedder.vector("document", text) for text in texts])
    return StoredVectors(tuple(ids), rows)


def first_of(fusion: SavedFusion, embedder: Any, question: str, documents: dict[str, str]) -> str:
    """Return the id of the best document, of all of them."""
    query = fusion.model.prepared(question, embedder.vector("query", question))
    vectors = np.stack([embedder.vector("document", text) for text in documents.values()])
    ids = list(documents)
    texts_of = lambda keys: [documents[key] for key in keys]  # noqa: E731
    return fusion.model.ranked(query, ids, vectors, texts_of=texts_of)[0].id


@pytest.mark.parametrize(
    "options", [{}, {"val_dataset": dataset_of(range(N, N + 10))}], ids=["alone", "with validation"]
)
def test_what_is_learned_is_saved_and_answers_new_questions(
    options: dict[str, Any],
    finetuned: Callable[..., FinetuneResult],
    embedder: Any,
    tmp_path: Path,
) -> None:
    result = finetuned(**options)
    assert result.fusion is not None
    assert result.fusion.decision == "retriever"
    assert result.fusion.head.by_name["lexical"] > 0
    assert (result.validation is None) == (not options)
    fusion = read_fusion(tmp_path / "out")
    assert fusion.model.head.weights.tolist() == result.fusion.head.weights.tolist()
    assert fusion.model.adapter.fingerprint == result.saved.adapter.fingerprint
    assert fusion.model.answers == tuple((f"d{row}",) for row in range(N))
    questions = dataset_of(range(N)).queries.values()
    expected = np.stack([embedder.vector("query", question) for question in questions])
    np.testing.assert_array_equal(fusion.model.queries, expected)
    assert fusion.model.lexical is not None
    assert list(fusion.model.lexical.ids) == [f"d{row}" for row in range(N)]
    documents = {f"d{row}": text_of(row) for row in range(N)}
    found = [
        first_of(fusion, embedder, f"price of no{row} please", documents) for row in range(0, N, 5)
    ]
    assert found == [f"d{row}" for row in range(0, N, 5)]


def test_the_record_and_the_text_name_both_verdicts(
    finetuned: Callable[..., FinetuneResult], tmp_path: Path
) -> None:
    result = finetuned()
    assert result.fusion is not None
    text = str(result)
    assert text == f"{result.verdict}\n\nLearned retriever: {result.fusion}"
    assert "\n\nLearned retriever: Use the learned retriever.\n" in text
    record = json.loads((tmp_path / "out" / "adapter.json").read_text(encoding="utf-8"))
    retriever = record["record"]["training"]["retriever"]
    assert retriever == json.loads(json.dumps(result.fusion.to_record()))
    assert retriever["decision"] == "retriever"
    assert retriever["weights"]["lexical"] == result.fusion.head.by_name["lexical"]
    assert record["record"]["training"]["decision"] == result.decision
    assert read_adapter(tmp_path / "out").record.training["retriever"] == retriever


def test_the_adapter_is_the_one_that_is_learned_without_the_head(
    make_problem: Callable[..., Any], make_embedder: Callable[..., Any], tmp_path: Path
) -> None:
    problem, adapters, tables = make_problem(), [], []
    for hybrid in (False, True):
        folder = tmp_path / str(hybrid)
        engine = AdapterFinetuneEngine(
            problem.dataset,
            make_embedder(vectors=problem.vectors),
            model_output_path=folder,
            hybrid=hybrid,
            **QUICK,
        )
        engine.finetune()
        assert (engine.result.fusion is not None) == hybrid
        assert ("retriever" in read_adapter(folder).record.training) == hybrid
        assert ("Learned retriever: " in str(engine.result)) == hybrid
        adapters.append(load_adapter(folder))
        tables.append(engine.result.training.table)
    assert adapters[0].fingerprint == adapters[1].fingerprint
    assert not adapters[0].is_identity
    assert tables[0] == tables[1]
    with pytest.raises(AdapterFileError, match="hybrid=True"):
        read_fusion(tmp_path / "False")


def test_nothing_is_embedded_twice_or_besides(
    finetuned: Callable[..., FinetuneResult], embedder: Any
) -> None:
    finetuned()
    dataset = dataset_of(range(N))
    assert sorted(embedder.embedded("query")) == sorted(dataset.queries.values())
    assert sorted(embedder.embedded("document")) == sorted(dataset.corpus.values())


def test_finetuning_twice_gives_the_same_retriever(
    make_engine: Callable[..., AdapterFinetuneEngine], embedder: Any, tmp_path: Path
) -> None:
    ids = [f"d{row}" for row in range(N)]
    engine = make_engine(
        index=index_of(embedder, ids, [text_of(row) for row in range(N)]),
        texts=[(ids, [text_of(row) for row in range(N)])],
    )
    weights = []
    for _ in range(2):
        engine.finetune()
        assert engine.result.fusion is not None
        weights.append(engine.result.fusion.head.weights.tolist())
        assert read_fusion(tmp_path / "out").model.head.weights.tolist() == weights[-1]
    assert weights[0] == weights[1]


def test_over_an_index_all_its_documents_are_searched_and_scored_by_their_own_texts(
    finetuned: Callable[..., FinetuneResult], embedder: Any, tmp_path: Path
) -> None:
    others = {f"x{row}": f"something else no{row + 500}" for row in range(15)}
    stored = {f"d{row}": text_of(row) for row in reversed(range(N - 5))} | others  # 5 are lacking
    ids, texts = list(stored), list(stored.values())
    result = finetuned(
        index=index_of(embedder, ids, texts),
        texts=iter([(ids[:9], texts[:9]), (ids[9:], texts[9:])]),
    )
    assert result.training.n_documents == N + 15
    assert result.fusion is not None
    assert result.fusion.head.by_name["lexical"] > 0
    fusion = read_fusion(tmp_path / "out")
    assert fusion.model.lexical is not None
    lacking = [f"d{row}" for row in range(N - 5, N)]
    assert sorted(fusion.model.lexical.ids) == sorted([*ids, *lacking])
    assert fusion.model.answers == tuple((f"d{row}",) for row in range(N))
    everything = stored | {f"d{row}": text_of(row) for row in range(N)}
    assert first_of(fusion, embedder, "no507", everything) == "x7"
    assert first_of(fusion, embedder, "no38", everything) == "d38"


def test_without_texts_of_the_index_the_datasets_own_are_used(
    finetuned: Callable[..., FinetuneResult], embedder: Any, tmp_path: Path
) -> None:
    stored = {f"d{row}": text_of(row) for row in range(N)} | {"x": "unread"}
    result = finetuned(index=index_of(embedder, list(stored), list(stored.values())))
    assert result.fusion is not None
    assert result.fusion.head.by_name["lexical"] > 0
    lexical = read_fusion(tmp_path / "out").model.lexical
    assert lexical is not None
    assert "x" not in lexical
    assert len(lexical) == N


@pytest.mark.parametrize(
    "texts", [None, [], [(["x"], [""])]], ids=["none", "no block", "an empty one"]
)
def test_without_any_text_nothing_is_embedded_or_written(
    texts: Any, make_engine: Callable[..., AdapterFinetuneEngine], embedder: Any, tmp_path: Path
) -> None:
    engine = make_engine(dataset_of(range(N), texts=False), texts=texts)
    with pytest.raises(
        InvalidDatasetError, match=r"pass texts=\[\(ids, texts\)\], or leave hybrid"
    ):
        engine.finetune()
    assert embedder.calls == []
    assert not (tmp_path / "out").exists()


def test_texts_may_hold_documents_of_the_dataset_as_well(
    finetuned: Callable[..., FinetuneResult], tmp_path: Path
) -> None:
    texts = {f"d{row}": text_of(row) for row in range(0, N, 2)} | {"x": "something else"}
    result = finetuned(texts=[(list(texts), list(texts.values()))])
    assert result.fusion is not None
    lexical = read_fusion(tmp_path / "out").model.lexical
    assert lexical is not None
    assert sorted(lexical.ids) == sorted({*texts, *(f"d{row}" for row in range(N))})


def test_texts_of_a_sampled_index_may_hold_more_than_the_sample(
    finetuned: Callable[..., FinetuneResult], embedder: Any, tmp_path: Path
) -> None:
    stored = {f"d{row}": text_of(row) for row in range(N)}
    sample = dict(list(stored.items())[:30])
    result = finetuned(
        index=index_of(embedder, list(sample), list(sample.values())),
        texts=[(list(stored), list(stored.values()))],
    )
    assert result.fusion is not None
    lexical = read_fusion(tmp_path / "out").model.lexical
    assert lexical is not None
    assert sorted(lexical.ids) == sorted(stored)


def test_of_an_index_without_the_labelled_documents_the_dataset_is_searched(
    finetuned: Callable[..., FinetuneResult], embedder: Any, tmp_path: Path
) -> None:
    other = {f"x{row}": f"something else no{row + 500}" for row in range(12)}
    ids, texts = list(other), list(other.values())
    result = finetuned(index=index_of(embedder, ids, texts), texts=[(ids, texts)])
    assert result.training.n_documents == N
    lexical = read_fusion(tmp_path / "out").model.lexical
    assert lexical is not None
    assert set(other) <= set(lexical.ids)


def test_an_adapter_to_refine_is_refined_with_a_head_of_its_own(
    finetuned: Callable[..., FinetuneResult], tmp_path: Path
) -> None:
    start = LinearAdapter(np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0])
    result = finetuned(adapter_model=start)
    assert result.training.reference == "start"
    assert result.fusion is not None
    assert result.fusion.head.by_name["lexical"] > 0
    assert "over the original adapter" in str(result.fusion)
    fusion = read_fusion(tmp_path / "out")
    assert fusion.model.adapter.fingerprint == result.saved.adapter.fingerprint


def test_where_no_head_helps_the_folder_serves_the_adapter_alone(
    finetuned: Callable[..., FinetuneResult], embedder: Any, tmp_path: Path
) -> None:
    whole = dataset_of(range(N))
    dealt = np.random.default_rng(1).permutation(N).tolist()
    qrels = {f"q{row}": {f"d{other}": 1.0} for row, other in enumerate(dealt)}
    result = finetuned(RetrievalDataset(whole.queries, whole.corpus, qrels))
    assert result.fusion is not None
    assert result.fusion.head.is_zero
    assert result.fusion.decision == "base"
    fusion = read_fusion(tmp_path / "out")
    assert fusion.model.lexical is None
    assert not (tmp_path / "out" / "lexical").exists()
    query = fusion.model.prepared("what does no3 cost", embedder.vector("query", "any"))
    assert query.ids == ()


def test_the_extra_is_named_before_anything_is_embedded(
    make_engine: Callable[..., AdapterFinetuneEngine],
    embedder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(MissingExtraError, match=r"pip install '.*\[hybrid\]'"):
        make_engine()
    assert embedder.calls == []
    make_engine(hybrid=False)  # needs no lexical index


@pytest.mark.parametrize("hybrid", ["yes", 1, None])
def test_hybrid_is_true_or_false(
    hybrid: Any, make_engine: Callable[..., AdapterFinetuneEngine]
) -> None:
    with pytest.raises(TypeError, match="hybrid: expected True or False, got"):
        make_engine(hybrid=hybrid)


def test_lexical_features_follow_the_order_of_the_searched_documents() -> None:
    texts = {"a": "red", "b": "blue blue", "c": "red green red", "d": "grey"}
    index = LexicalIndex.build([(list(texts), list(texts.values()))], tokenizer=Tokenizer())
    vectors: Vectors = np.ones((4, 3), dtype=np.float32)
    searched = SearchedQuestions(
        embedded=EmbeddedDataset(vectors[:2], vectors, (np.array([0]), np.array([1]))),
        questions=["red", "unheard of"],
        ids=["d", "new", "c", "a"],
    )
    scores = LexicalScores(index=index, searched=searched)
    match = index.match("red").of(["c", "a"])
    expected = [0, 0, *(match / max(index.match("red").scores))]
    assert scores(0).tolist() == pytest.approx(expected)
    assert scores(0).max() == 1
    assert scores(1).tolist() == [0, 0, 0, 0]


def test_with_units_the_texts_are_those_of_the_index(
    make_engine: Callable[..., AdapterFinetuneEngine], embedder: Any
) -> None:
    texts = [text_of(row) for row in range(N)]
    ids = [f"c{row}" for row in range(N)]
    units = Units.of(f"d{row}" for row in range(N))
    vectors = np.array(embedder.embed_documents(texts), dtype=np.float32)
    index = StoredVectors(tuple(ids), vectors, units=units)
    with pytest.raises(InvalidDatasetError, match="expected texts of the index's documents"):
        make_engine(index=index)
    engine = make_engine(index=index, texts=[(ids, texts)])
    engine.finetune()
    on_documents = make_engine()
    on_documents.finetune()
    fusions = [one.result.fusion for one in (engine, on_documents)]
    assert fusions[0] is not None
    assert fusions[1] is not None
    np.testing.assert_allclose(fusions[0].head.weights, fusions[1].head.weights, rtol=0.05)
