"""Tests of the learned retriever on labels of units, against plain loops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.units import Units
from query_adapters.errors import InvalidDatasetError, InvalidVectorsError
from query_adapters.fusion import (
    FEATURES,
    FusionModel,
    ScoringHead,
    evaluate_fusion,
    evaluate_hybrids,
    explain_fusion,
    read_fusion,
)
from query_adapters.fusion.pools import PADDING, Pools
from query_adapters.fusion.storage import SavedFusion, save_fusion
from query_adapters.fusion.votes import answering
from query_adapters.fusion.weights import JudgedPools, _cross_entropy
from query_adapters.lexical import LexicalIndex
from query_adapters.typing import Values
from tests.query_adapters.fusion.planted import found_by_votes, trained_head, unit_rows
from tests.query_adapters.fusion.test_training import SEEN

PER_UNIT, N_UNITS, DIM = 3, 8, 4
CHUNKS = {f"c{n}": f"word{n} shared{n % 4}" for n in range(PER_UNIT * N_UNITS)}
UNITS = Units.of(f"u{n // PER_UNIT}" for n in range(len(CHUNKS)))
QUESTIONS = RetrievalDataset(
    {f"q{n}": f"word{2 * n} shared{n}" for n in range(6)},
    {unit: unit for unit in UNITS.ids},
    {f"q{n}": {f"u{n % 4}": 1, f"u{n + 2}": 1} for n in range(6)},
)
RNG = np.random.default_rng(0)
EMBEDDED = EmbeddedDataset(
    unit_rows(RNG, 6, DIM),
    unit_rows(RNG, len(CHUNKS), DIM),
    tuple(
        np.array([UNITS.number_of[key] for key in QUESTIONS.qrels[q]]) for q in QUESTIONS.queries
    ),
    units=UNITS.unit_of,
)
HEAD = ScoringHead({"lexical": 0.3, "votes_10": 0.2, "hubness": 0.1})


def nearest_in(unit: int, query: int) -> str:
    """Return the chunk of the unit with the highest cosine."""
    rows = [row for row, own in enumerate(UNITS.unit_of.tolist()) if own == unit]
    return f"c{max(rows, key=lambda row: float(EMBEDDED.documents[row] @ EMBEDDED.queries[query]))}"


@pytest.fixture(scope="module")
def model() -> FusionModel:
    return FusionModel(
        adapter=LinearAdapter.identity(DIM),
        head=HEAD,
        queries=EMBEDDED.queries,
        answers=tuple(
            tuple(nearest_in(unit, query) for unit in units.tolist())
            for query, units in enumerate(EMBEDDED.relevant)
        ),
        lexical=LexicalIndex.build([(list(CHUNKS), list(CHUNKS.values()))]),
        units=tuple(
            tuple(f"c{PER_UNIT * unit + n}" for n in range(PER_UNIT))
            for unit in EMBEDDED.labelled.tolist()
        ),
    )


def test_the_vector_of_a_unit_that_answers_is_the_nearest() -> None:
    found = answering(EMBEDDED, EMBEDDED.queries, "cosine")
    for query, rows in enumerate(found):
        expected = [nearest_in(unit, query) for unit in EMBEDDED.relevant[query].tolist()]
        assert [f"c{row}" for row in rows.tolist()] == expected


def expected_run(model: FusionModel) -> dict[str, list[str]]:
    """Return the units of each question by the best score of their chunks, in plain loops."""
    assert model.lexical is not None
    queries = EMBEDDED.queries.astype(float)
    centred = queries - queries.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    run = {}
    for query, (key, text) in enumerate(QUESTIONS.queries.items()):
        match = model.lexical.match(text)
        words = dict(zip(CHUNKS, match.of(list(CHUNKS)) / match.highest, strict=True))
        scores: dict[str, float] = {}
        for row, chunk in enumerate(CHUNKS):
            document, unit = EMBEDDED.documents[row].astype(float), UNITS.unit_of[row]
            votes = sum(
                np.exp(-10 * (1 - centred[query] @ centred[other]))
                for other in range(len(queries))
                if unit in EMBEDDED.relevant[other]
            )
            hubness = -np.sort(queries @ document)[-5:].mean()
            score = queries[query] @ document + 0.3 * words[chunk] + 0.2 * votes + 0.1 * hubness
            name = UNITS.ids[unit]
            scores[name] = max(scores.get(name, -np.inf), float(score))
        run[key] = sorted(scores, key=scores.__getitem__, reverse=True)
    return run


def test_units_are_ranked_by_their_best_chunk_with_the_votes_of_the_unit(
    model: FusionModel,
) -> None:
    found = evaluate_fusion(
        EMBEDDED, model, texts=QUESTIONS, chunks=CHUNKS, metrics=[f"ndcg@{N_UNITS}"]
    )
    assert found.run == expected_run(model)


def test_an_explained_question_shows_the_best_chunk_of_each_unit(model: FusionModel) -> None:
    found = explain_fusion(EMBEDDED, model, texts=QUESTIONS, chunks=CHUNKS, query_id="q1").example
    assert found is not None
    ranking = expected_run(model)["q1"]
    shown = [one.id for one in found.documents]
    assert shown[:5] == ranking[:5]
    for one in found.documents:
        assert one.text in [
            text for key, text in CHUNKS.items() if UNITS.ids[UNITS.unit_of[int(key[1:])]] == one.id
        ]
        assert one.is_relevant == (one.id in QUESTIONS.qrels["q1"])
        assert one.rank == ranking.index(one.id) + 1


def test_hybrids_rank_units_each_once() -> None:
    for evaluation in evaluate_hybrids(EMBEDDED, texts=QUESTIONS, chunks=CHUNKS).values():
        assert all(sorted(ranking) == sorted(UNITS.ids) for ranking in evaluation.run.values())


def test_the_units_of_a_learned_retriever_are_saved_with_it(
    model: FusionModel, tmp_path: Path
) -> None:
    save_fusion(SavedFusion(model=model, saved=SavedAdapter(adapter=model.adapter)), tmp_path)
    again = read_fusion(tmp_path).model
    assert again.units == model.units
    assert again.answers == model.answers


def test_bad_units_are_refused(model: FusionModel) -> None:
    with pytest.raises(InvalidVectorsError, match="every answer in one of the units"):
        replace(model, units=model.units[1:])
    with pytest.raises(InvalidVectorsError, match="each document in one"):
        replace(model, units=(*model.units, model.units[0]))
    with pytest.raises(InvalidDatasetError, match="texts of 24 vectors, got 8"):
        evaluate_fusion(EMBEDDED, model, texts=QUESTIONS)


def test_the_loss_of_a_unit_is_that_of_the_sum_over_its_vectors() -> None:
    rows = np.array([[0, 1, 2, 5, PADDING], [3, 4, 5, 0, 1]])
    units = np.array([[0, 0, 1, 2, PADDING], [1, 2, 2, 0, 0]])
    pools = Pools(rows, RNG.normal(size=rows.shape), np.zeros((2, 5, len(FEATURES))), units)
    view = JudgedPools.of(
        pools, [np.array([0, 2]), np.array([2])], [np.array([3.0, 1.0]), np.array([1.0])], 1.0
    )
    assert view.targets.tolist() == [[0.75, 0.75, 0, 0.25, 0], [0, 1, 1, 0, 0]]
    mass = np.exp(pools.similarities)
    first = mass[0, :4] / mass[0, :4].sum()
    second = mass[1] / mass[1].sum()
    expected = -0.75 * np.log(first[0] + first[1]) - 0.25 * np.log(first[3])
    expected -= np.log(second[1] + second[2])
    loss, _ = _cross_entropy(pools.similarities, view)
    assert loss == pytest.approx(expected)

    def value(flat: Values) -> float:
        return _cross_entropy(flat.reshape(2, 5), view)[0]

    def gradient(flat: Values) -> Values:
        return _cross_entropy(flat.reshape(2, 5), view)[1].ravel()

    assert check_grad(value, gradient, pools.similarities.ravel()) < 1e-6


def test_a_pool_ranks_each_unit_once_at_its_best_document() -> None:
    rows = np.array([[0, 1, 2, 3], [2, 3, PADDING, PADDING]])
    units = np.array([[0, 0, 1, 2], [1, 2, PADDING, PADDING]])
    alone = np.array([[0.1, 0.9, 0.5, 0.3], [0.2, 0.4, 0.9, 0.9]])
    pools = Pools(rows, alone, np.zeros((2, 4, len(FEATURES))), units)
    assert pools.ranking(ScoringHead({}), k=3).tolist() == [[0, 1, 2], [2, 1, PADDING]]


def test_votes_for_a_unit_help_where_its_question_is_asked_again() -> None:
    whole = found_by_votes(times=5)
    documents = np.repeat(whole.dataset.documents, 2, axis=0)
    documents[1::2] = unit_rows(np.random.default_rng(1), len(documents) // 2, documents.shape[1])
    units = np.repeat(np.arange(len(documents) // 2), 2)
    dataset = replace(whole.dataset, documents=documents, units=units)
    words = np.zeros((len(dataset.queries), len(documents)), dtype=np.float32)
    training = trained_head(replace(whole, dataset=dataset, words=words), trainer=SEEN)
    assert training.decision == "retriever"
    assert training.head.has_votes
