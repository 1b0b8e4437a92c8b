"""Test that an adapter trained on corrected clicks gains nearly what the true labels bring."""

from dataclasses import replace

import numpy as np
import pytest

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.search import exact_search
from query_adapters.feedback import FeedbackEvent, ShownList, dataset_from_feedback
from query_adapters.training import AdapterTrainer

N_DOCUMENTS, N_TRAIN, N_TEST, DIM = 60, 240, 240, 12
SHOWN, SESSIONS, CLICK_RATE, NOISE = 10, 10, 0.9, 0.15


def problem(seed: int) -> tuple[EmbeddedDataset, EmbeddedDataset]:
    """Return training and test questions: their documents, half of them turned, plus noise."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(N_DOCUMENTS, DIM)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    rows = rng.integers(N_DOCUMENTS, size=N_TRAIN + N_TEST)
    noise = rng.normal(size=(len(rows), DIM))
    queries = (documents[rows] + 0.7 * documents[rows] @ turn + 0.6 * noise).astype(np.float32)
    whole = EmbeddedDataset(queries, documents, tuple(np.array([row]) for row in rows))
    order = np.arange(len(rows))
    return whole.select(order[:N_TRAIN]), whole.select(order[N_TRAIN:])


def clicks(train: EmbeddedDataset, *, eta: float, seed: int) -> list[ShownList]:
    rng = np.random.default_rng(seed)
    lists = []
    for query, page in enumerate(exact_search(train.queries, train.documents, k=SHOWN)):
        rates = np.where(np.isin(page, train.relevant[query]), CLICK_RATE, NOISE)
        for session in range(SESSIONS):
            is_clicked = rng.random(SHOWN) < rates * np.arange(1.0, SHOWN + 1) ** -eta
            events = [FeedbackEvent(kind="clicked", document=str(d)) for d in page[is_clicked]]
            one = ShownList(
                id=f"{query}/{session}",
                key=str(query),
                question=f"question {query}",
                ids=tuple(map(str, page)),
                events=tuple(events),
            )
            lists.append(one)
    return lists


def labelled(train: EmbeddedDataset, grades: dict[int, dict[int, float]]) -> EmbeddedDataset:
    rows = sorted(grades)
    return replace(
        train.select(np.array(rows)),
        relevant=tuple(np.array(list(grades[row])) for row in rows),
        grades=tuple(np.array(list(grades[row].values())) for row in rows),
    )


def raw_grades(lists: list[ShownList]) -> dict[int, dict[int, float]]:
    grades: dict[int, dict[int, float]] = {}
    for one in lists:
        for event in one.events:
            found = grades.setdefault(int(one.key), {})
            found[int(str(event.document))] = found.get(int(str(event.document)), 0) + 1
    return grades


@pytest.mark.slow
@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_corrected_clicks_gain_nearly_as_much_as_true_labels_and_more_than_raw_ones(
    eta: float,
) -> None:
    train, test = problem(seed=1)
    lists = clicks(train, eta=eta, seed=2)
    qrels = dataset_from_feedback(lists).dataset.qrels
    corrected = {
        int(query): {int(document): grade for document, grade in found.items()}
        for query, found in qrels.items()
    }
    trainer = AdapterTrainer(memories=(None,), whitenings=(0.0,), seen_share=1.0)
    base = evaluate_vectors(test).means["ndcg@10"]
    gains = []
    for data in (train, labelled(train, corrected), labelled(train, raw_grades(lists))):
        adapter = trainer.fit(data).adapter
        gains.append(evaluate_vectors(test, adapter).means["ndcg@10"] - base)
    true, found, raw = gains
    assert true > 0.1
    assert found >= 0.8 * true
    assert found > raw
    assert raw > -0.005
