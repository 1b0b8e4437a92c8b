"""Tests of hubness: minus the mean cosine of a document and its five nearest training questions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.arrays import unit
from query_adapters.fusion.hubness import Hubness
from query_adapters.typing import Vectors


def drawn(seed: int, n: int, *, dim: int = 5) -> Vectors:
    vectors: Vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return vectors


def naive(questions: Vectors, documents: Vectors) -> list[float]:
    """Return the feature from its definition, one document at a time."""
    found = []
    for document in documents.astype(float):
        cosines = [
            float(question @ document / np.sqrt((question @ question) * (document @ document)))
            for question in questions.astype(float)
        ]
        nearest = sorted(cosines, reverse=True)[:5]
        found.append(-sum(nearest) / len(nearest))
    return found


def test_hubness_by_hand() -> None:
    eye = np.eye(2, dtype=np.float32)
    questions = np.concatenate([np.repeat(eye[:1], 3, axis=0), np.repeat(-eye[:1], 3, axis=0)])
    hubness = Hubness.of(3 * questions)(np.concatenate([eye, -eye[:1]]))
    assert hubness == pytest.approx([-(3 - 2) / 5, 0, -(3 - 2) / 5])


@given(seed=st.integers(0, 999), n=st.integers(1, 12))
def test_hubness_is_that_of_a_loop_also_with_fewer_than_five_questions(seed: int, n: int) -> None:
    questions, documents = drawn(seed, n), drawn(seed + 1_000, 4)
    assert Hubness.of(questions)(unit(documents)) == pytest.approx(
        naive(questions, documents), abs=1e-5
    )


@given(seed=st.integers(0, 999), factor=st.floats(1e-3, 1e3))
def test_lengths_of_questions_do_not_matter(seed: int, factor: float) -> None:
    questions, documents = drawn(seed, 8), unit(drawn(seed + 1_000, 4))
    scaled = Hubness.of(np.float32(factor) * questions)(documents)
    assert scaled == pytest.approx(Hubness.of(questions)(documents), abs=1e-5)


@pytest.mark.parametrize(("n", "step"), [(512, 1), (513, 2), (1_024, 2), (1_300, 3), (5_000, 10)])
def test_of_many_questions_evenly_spaced_ones_are_kept(n: int, step: int) -> None:
    questions, documents = drawn(1, n), drawn(2, 6)
    hubness = Hubness.of(questions)
    assert len(hubness.questions) <= 512
    assert hubness(unit(documents)) == pytest.approx(naive(questions[::step], documents), abs=1e-5)


@given(seed=st.integers(0, 999))
@settings(max_examples=20)
def test_documents_are_scored_one_by_one_as_together(seed: int) -> None:
    hubness, documents = Hubness.of(drawn(seed, 9)), unit(drawn(seed + 1, 7))
    together = hubness(documents)
    alone = [float(hubness(documents[row : row + 1])[0]) for row in range(7)]
    assert together == pytest.approx(alone, abs=1e-6)
    assert (np.abs(together) <= 1 + 1e-5).all()
