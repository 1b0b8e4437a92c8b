"""Tests of the checks that questions, documents and index fit together."""

import numpy as np
import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.finetuning.checks import expected_seen_share, warn_of_unrelated_labels
from query_adapters.typing import Vectors


def near(documents: Vectors, *, n_queries: int = 60, noise: float = 2.0) -> EmbeddedDataset:
    """Return questions near their documents, with several questions per document."""
    rng = np.random.default_rng(1)
    answers = np.arange(n_queries) % len(documents)
    queries = documents[answers] + noise * rng.normal(size=(n_queries, documents.shape[1]))
    return EmbeddedDataset(queries.astype(np.float32), documents, tuple(answers[:, None]))


def documents(seed: int, n: int = 30) -> Vectors:
    return np.random.default_rng(seed).normal(size=(n, 16)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_questions_near_their_documents_are_no_disorder(
    n: int, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_unrelated_labels(near(documents(0, n)))
    assert caplog.messages == []


def test_vectors_of_another_model_are_a_disorder(caplog: pytest.LogCaptureFixture) -> None:
    asked = near(documents(0))
    warn_of_unrelated_labels(EmbeddedDataset(asked.queries, documents(2), asked.relevant))
    (warning,) = caplog.messages
    assert warning.startswith("questions are no nearer to their own documents (mean cosine")


def test_labels_of_other_questions_are_a_disorder(caplog: pytest.LogCaptureFixture) -> None:
    asked = near(documents(0))
    warn_of_unrelated_labels(EmbeddedDataset(asked.queries, asked.documents, asked.relevant[::-1]))
    assert len(caplog.messages) == 1


def test_a_handful_of_questions_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    asked = near(documents(0), n_queries=10)
    warn_of_unrelated_labels(EmbeddedDataset(asked.queries, documents(2), asked.relevant))
    assert caplog.messages == []


def asked(counts: list[int]) -> RetrievalDataset:
    """Return a dataset with `counts[i]` questions about document i."""
    pairs = [(f"q{row}-{n}", f"d{row}") for row, count in enumerate(counts) for n in range(count)]
    corpus = {f"d{row}": f"document {row}" for row in range(len(counts))}
    return RetrievalDataset({q: q for q, _ in pairs}, corpus, {q: {d: 1} for q, d in pairs})


@pytest.mark.parametrize(
    ("counts", "n_stored", "expected"),
    [
        ([2] * 30, 120, 0.25),  # as from a generator
        ([1] * 30, 120, 0.25),
        ([30, 9, 7, 1, 1, 1, 1], 5_000, 1 - 5 / 51),  # as from users: 4 of 50 are alone
        ([60, 20, 9, 5, 3, 3], 5_000, 1 - 1 / 101),
        ([5, 1, 1, 1], 4, 1.0),  # every document is asked about
        ([2, 3] * 15, 60, 0.5),  # a little uneven, but less than at random
        ([1] * 30, 20, 1.0),  # some of the documents are not in the index
        ([2] * 30, None, 0.5),  # nothing tells it
        ([30, 9, 7, 1, 1, 1, 1], None, 1 - 5 / 51),
        ([1], 10, 0.1),
    ],
)
def test_the_expected_share_of_seen_documents(
    counts: list[int], n_stored: int | None, expected: float
) -> None:
    assert expected_seen_share(asked(counts), n_stored) == pytest.approx(expected)


@pytest.mark.parametrize("skew", [0.0, 1.0], ids=["at random", "some more than others"])
@pytest.mark.parametrize("n_stored", [None, 400])
def test_of_questions_as_users_ask_them_the_share_is_that_of_the_next_question(
    skew: float, n_stored: int | None
) -> None:
    popularity = 1 / np.arange(1, 401) ** skew
    popularity /= popularity.sum()
    errors = []
    for seed in range(10):
        counts = np.random.default_rng(seed).multinomial(500, popularity)
        share = expected_seen_share(asked(counts[counts > 0].tolist()), n_stored)
        errors.append(share - popularity[counts > 0].sum())
    assert np.mean(errors) == pytest.approx(0, abs=0.02)
    assert np.abs(errors).max() < 0.1
