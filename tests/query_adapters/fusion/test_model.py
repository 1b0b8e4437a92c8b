"""Tests of the learned retriever's scores: those of a loop over all documents, part by part."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import exp, log
from typing import Any, get_args

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.fusion import FusionModel, RankedDocument, ScoringHead
from query_adapters.lexical import LexicalIndex, Tokenizer
from query_adapters.typing import Similarity, Vectors

DIM, N_DOCUMENTS, N_TRAINING = 6, 40, 25
WORDS = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
RNG = np.random.default_rng(11)
IDS = [f"d{row}" for row in range(N_DOCUMENTS)]
TEXTS = {key: " ".join(RNG.choice(WORDS, size=RNG.integers(3, 9))) for key in IDS}
VECTORS = dict(zip(IDS, RNG.normal(size=(N_DOCUMENTS, DIM)).astype(np.float32), strict=True))
TRAINING = RNG.normal(size=(N_TRAINING, DIM)).astype(np.float32)
ANSWERS = tuple(
    tuple(f"d{row}" for row in RNG.choice(12, size=1 + place % 2, replace=False))
    for place in range(N_TRAINING)
)
WEIGHTS = [0.7, 0.3, 0.2, 0.1, 0.5]
ADAPTER = LinearAdapter(np.eye(DIM) + 0.3 * RNG.normal(size=(DIM, DIM)), RNG.normal(size=DIM) / 9)
QUESTION = "wordc worda wordx wordc"
VECTOR = (TRAINING[3] + 0.2 * RNG.normal(size=DIM)).astype(np.float32)


def index_of(texts: Mapping[str, str]) -> LexicalIndex:
    return LexicalIndex.build([(list(texts), list(texts.values()))], tokenizer=Tokenizer())


@pytest.fixture(scope="module")
def model() -> FusionModel:
    """Return a model whose features all have a weight."""
    return FusionModel(
        adapter=ADAPTER,
        head=ScoringHead(WEIGHTS),
        queries=TRAINING,
        answers=ANSWERS,
        lexical=index_of(TEXTS),
    )


def length(vector: Any) -> float:
    return float(sum(float(number) ** 2 for number in vector) ** 0.5)


def cosine(one: Any, other: Any) -> float:
    return float(one.astype(float) @ other.astype(float)) / length(one) / length(other)


def similarity_of(query: Vectors, document: Vectors, similarity: Similarity) -> float:
    if similarity == "cosine":
        return cosine(query, document)
    if similarity == "dot":
        return float(query.astype(float) @ document.astype(float))
    return -length(query.astype(float) - document.astype(float))


def bm25(question: str, text: str, texts: Sequence[str]) -> float:
    """Return BM25 with k1 = 1.2 and b = 0.75; word frequencies and lengths are those of `texts`."""
    split = [other.split() for other in texts]
    average = sum(map(len, split)) / len(split)
    words, score = Counter(text.split()), 0.0
    for word in question.split():
        n_with = sum(word in other for other in split)
        rarity = log(1 + (len(split) - n_with + 0.5) / (n_with + 0.5))
        discount = 1.2 * (1 - 0.75 + 0.75 * sum(words.values()) / average)
        score += rarity * words[word] / (words[word] + discount)
    return score


def naive_scores(
    model: FusionModel, question: str, vector: Vectors, *, texts: Mapping[str, str]
) -> dict[str, float]:
    """Return the score of every document of the module, from the formulas of the features."""
    adapted = model.adapter(vector)
    units = [row.astype(float) / length(row) for row in model.queries]
    centre = sum(units) / len(units)
    asked = vector.astype(float) / length(vector) - centre
    memories = [model.adapter(row) for row in model.queries]
    lexical = {key: bm25(question, TEXTS[key], list(texts.values())) for key in IDS}
    highest = max(lexical.values())
    scores = {}
    for key in IDS:
        votes = [
            sum(
                exp(-width * (1 - cosine(unit - centre, asked)))
                for unit, keys in zip(units, model.answers, strict=True)
                if key in keys
            )
            for width in (5, 10, 20)
        ]
        nearest = sorted(cosine(row, VECTORS[key]) for row in memories)[-5:]
        features = [lexical[key] / highest if highest else 0.0, *votes, -sum(nearest) / 5]
        scores[key] = similarity_of(adapted, VECTORS[key], model.similarity) + sum(
            weight * value for weight, value in zip(model.head.weights, features, strict=True)
        )
    return scores


def no_texts(ids: Sequence[str]) -> list[str]:
    raise AssertionError(f"texts of {ids} were asked for")


def texts_of(ids: Sequence[str]) -> list[str]:
    return [TEXTS[key] for key in ids]


def ranked(
    model: FusionModel,
    question: str = QUESTION,
    vector: Vectors = VECTOR,
    *,
    ids: Sequence[str] = IDS,
    texts: Callable[[Sequence[str]], Sequence[str]] = no_texts,
) -> list[RankedDocument]:
    """Return these documents, ranked."""
    vectors = np.stack([VECTORS[key] for key in ids])
    return model.ranked(model.prepared(question, vector), ids, vectors, texts_of=texts)


def check_order(found: Sequence[RankedDocument], expected: Mapping[str, float]) -> None:
    """Check ids and scores against those of a loop."""
    assert {document.id: document.score for document in found} == pytest.approx(
        expected, rel=1e-4, abs=1e-5
    )
    scores = [document.score for document in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("similarity", get_args(Similarity))
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_a_loop_over_all_documents(
    similarity: Similarity, seed: int, model: FusionModel
) -> None:
    rng = np.random.default_rng(seed)
    model = replace(model, similarity=similarity, head=ScoringHead(rng.random(5)))
    question = " ".join(rng.choice(WORDS, size=4))
    vector = (3 * rng.normal(size=DIM)).astype(np.float32)
    expected = naive_scores(model, question, vector, texts=TEXTS)
    check_order(ranked(model, question, vector), expected)


@pytest.mark.parametrize("name", ["lexical", "votes_5", "votes_10", "votes_20", "hubness"])
def test_each_feature_alone_moves_scores_as_the_loop_says(name: str, model: FusionModel) -> None:
    model = replace(model, head=ScoringHead({name: 2.0}))
    found = ranked(model)
    check_order(found, naive_scores(model, QUESTION, VECTOR, texts=TEXTS))
    assert all(list(document.parts) == ["similarity", name] for document in found)
    assert any(abs(document.parts[name]) > 1e-3 for document in found)


def test_a_pool_scores_its_documents_as_all_of_them_are_scored(model: FusionModel) -> None:
    model = replace(model, depth=5)
    everything = {document.id: document.score for document in ranked(model)}
    query = model.prepared(QUESTION, VECTOR)
    nearest = sorted(IDS, key=lambda key: -cosine(query.vector, VECTORS[key]))[:5]
    pool = list(dict.fromkeys([*nearest, *query.ids]))
    assert 5 < len(pool) < N_DOCUMENTS
    found = ranked(model, ids=pool)
    assert {document.id: document.score for document in found} == pytest.approx(
        {key: everything[key] for key in pool}, rel=1e-6
    )


def test_the_parts_add_up_to_the_score(model: FusionModel) -> None:
    for document in ranked(model):
        assert sum(document.parts.values()) == pytest.approx(document.score, abs=1e-9)
        assert list(document.parts) == [
            "similarity", "lexical", "votes_5", "votes_10", "votes_20", "hubness"
        ]  # fmt: skip


def test_the_best_by_exact_words_and_by_votes_are_fetched(model: FusionModel) -> None:
    model = replace(model, depth=3)
    query = model.prepared(QUESTION, VECTOR)
    by_words = sorted(IDS, key=lambda key: -bm25(QUESTION, TEXTS[key], list(TEXTS.values())))[:3]
    assert query.ids[:3] == tuple(by_words)
    assert len(set(query.ids)) == len(query.ids)
    answers = {key for keys in ANSWERS for key in keys}
    assert set(query.ids[3:]) <= answers
    same = model.prepared("nothing known", TRAINING[0])
    assert set(ANSWERS[0]) <= set(same.ids)
    assert set(same.ids) <= answers


def test_at_most_fifty_voted_documents_are_fetched_those_with_the_most_votes() -> None:
    angles = np.linspace(0, 1, 200)
    questions = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    model = FusionModel(
        adapter=LinearAdapter.identity(2),
        head=ScoringHead({"votes_10": 1.0}),
        queries=questions,
        answers=tuple((f"a{row}",) for row in range(200)),
    )
    query = model.prepared("", questions[199])
    assert query.votes is not None
    assert (query.votes[:, 1] > 0).sum() > 60
    assert query.ids[0] == "a199"
    assert set(query.ids) == {f"a{row}" for row in range(150, 200)}


def test_questions_at_a_right_angle_or_more_bring_no_document() -> None:
    square = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32)
    model = FusionModel(
        adapter=LinearAdapter.identity(2),
        head=ScoringHead({"votes_20": 1.0}),
        queries=square,
        answers=(("east",), ("north",), ("west",), ("south",)),
    )
    query = model.prepared("", square[0])
    assert query.ids == ("east",)
    assert query.match is None


def test_documents_that_the_lexical_index_lacks_are_scored_by_their_texts(
    model: FusionModel,
) -> None:
    known = {key: text for key, text in TEXTS.items() if key not in ("d3", "d17", "d30")}
    partly = replace(model, lexical=index_of(known))
    asked: list[Sequence[str]] = []

    def remembered(ids: Sequence[str]) -> list[str]:
        asked.append(list(ids))
        return texts_of(ids)

    found = ranked(partly, texts=remembered)
    assert asked == [["d3", "d17", "d30"]]
    check_order(found, naive_scores(partly, QUESTION, VECTOR, texts=known))


def test_a_new_document_with_better_words_than_any_sets_the_scale(model: FusionModel) -> None:
    alone = replace(model, head=ScoringHead({"lexical": 1.0}))
    perfect = "wordc wordc wordx worda"
    query = alone.prepared(QUESTION, VECTOR)
    vectors = np.stack([VECTORS["d0"], *(VECTORS[key] for key in IDS)])
    found = alone.ranked(query, ["new", *IDS], vectors, texts_of=lambda _: [perfect])
    parts = {document.id: document.parts["lexical"] for document in found}
    own = bm25(QUESTION, perfect, list(TEXTS.values()))
    assert parts["new"] == pytest.approx(1)
    for key in IDS:
        expected = bm25(QUESTION, TEXTS[key], list(TEXTS.values())) / own
        assert parts[key] == pytest.approx(expected, abs=1e-5)


def test_a_question_without_a_known_word_has_no_lexical_score(model: FusionModel) -> None:
    found = ranked(model, "entirely unknown")
    assert {document.parts["lexical"] for document in found} == {0.0}
    assert np.isfinite([document.score for document in found]).all()


def test_zero_weights_are_the_similarity_alone(model: FusionModel) -> None:
    plain = replace(model, head=ScoringHead({}), lexical=None)
    query = plain.prepared(QUESTION, VECTOR)
    assert (query.match, query.votes, query.ids) == (None, None, ())
    np.testing.assert_array_equal(query.vector, ADAPTER(VECTOR))
    expected = {key: cosine(query.vector, VECTORS[key]) for key in IDS}
    check_order(ranked(plain), expected)
    assert all(list(document.parts) == ["similarity"] for document in ranked(plain))


def test_without_lexical_weight_no_index_and_no_text_is_needed(model: FusionModel) -> None:
    plain = replace(model, head=ScoringHead({"votes_5": 1.0, "hubness": 1.0}), lexical=None)
    check_order(ranked(plain), naive_scores(plain, QUESTION, VECTOR, texts=TEXTS))


def test_equal_scores_keep_the_order_that_they_were_given_in() -> None:
    plain = FusionModel(
        adapter=LinearAdapter.identity(2),
        head=ScoringHead({}),
        queries=np.ones((1, 2), dtype=np.float32),
        answers=(("d0",),),
        similarity="dot",
    )
    query, ids = plain.prepared("", np.ones(2, dtype=np.float32)), [f"t{row}" for row in range(60)]
    rows = np.array([[1, 0], [2, 1], [0, 1]] * 20, dtype=np.float32)  # exact products: 1, 3, 1
    for given in (ids, ids[::-1]):
        found = [row.id for row in plain.ranked(query, given, rows, texts_of=no_texts)]
        high = given[1::3]
        assert found == [*high, *(key for key in given if key not in high)]


def test_an_empty_pool_ranks_nothing(model: FusionModel) -> None:
    query = model.prepared(QUESTION, VECTOR)
    nothing = np.empty((0, DIM), dtype=np.float32)
    assert model.ranked(query, [], nothing, texts_of=no_texts) == []


def test_documents_at_the_origin_are_scored_without_a_nan(model: FusionModel) -> None:
    query = model.prepared(QUESTION, VECTOR)
    zeros = np.zeros((2, DIM), dtype=np.float32)
    found = model.ranked(query, ["d0", "d1"], zeros, texts_of=no_texts)
    assert np.isfinite([document.score for document in found]).all()


def test_scores_stay_on_the_scale_of_the_similarity(model: FusionModel) -> None:
    for document in ranked(model):
        assert document.parts["similarity"] == pytest.approx(
            cosine(ADAPTER(VECTOR), VECTORS[document.id]), abs=1e-5
        )
        assert 0 <= document.parts["lexical"] <= WEIGHTS[0] + 1e-6
