"""What the learned retriever promises in both integrations: derive `FusionContract` and run it.

Expected scores are computed here by hand, over all documents.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import (
    AdapterMismatchError,
    DimensionMismatchError,
    InvalidVectorsError,
    LexicalIndexWarning,
)
from query_adapters.fusion import FusionModel, ScoringHead, evaluate_fusion
from query_adapters.fusion.serving import Refresh
from query_adapters.fusion.storage import SavedFusion, save_fusion
from query_adapters.lexical import LexicalIndex, Tokenizer
from query_adapters.typing import Values
from tests.integrations.framework import Framework
from tests.integrations.recording import NAME
from tests.stores.kind import Chunk, OpenStore
from tests.stores.place import DIM

N, N_TRAINING, K = 60, 20, 10
STORES = ("in-memory", "faiss", "chroma", "qdrant", "postgres")
WORDS = (
    "ferry", "harbour", "fish", "mile", "light", "rope", "tide", "crab", "sail", "north", "wave",
    "gull", "sand", "boat", "port",
)  # fmt: skip
WEIGHTS = {"lexical": 0.6, "votes_5": 0.3, "votes_10": 0.3, "votes_20": 0.5, "hubness": 0.2}
QUESTIONS = ("which ferry has a light?", "crab and tide, then a crab", "nothing of it")


@dataclass(frozen=True)
class Result:
    """A retrieved document; its parts are None if they are not explained."""

    key: str
    score: float
    parts: Mapping[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Serving:
    """An integration's learned retriever, as the contract calls it.

    Attributes:
        retriever: Takes a store, a FusionModel or SavedFusion, and the options `base` (the model,
            None for the store's own), `k`, `explain`, `check_model` and `only_even`, which
            restricts it to documents whose `kind` is "even"; returns a retriever.
        load: Takes a folder and a store, returns the saved retriever with `k` = 10.
        results: Takes a retriever and a question, returns what it retrieves.
        aresults: The same, asynchronously.
        add: Takes a store and chunks, embeds and stores them.
        kinds: Names of the framework's kinds of store that differ from `STORES`.
        synchronous: Stores that the framework cannot search asynchronously here.
    """

    retriever: Callable[..., Any]
    load: Callable[[Path, Any], Any]
    results: Callable[[Any, str], list[Result]]
    aresults: Callable[[Any, str], Any]
    add: Callable[[Any, Sequence[Chunk]], None]
    kinds: Mapping[str, str] = field(default_factory=dict)
    synchronous: frozenset[str] = frozenset()


def key_of(number: int) -> str:
    return str(uuid5(NAMESPACE_DNS, str(number)))


def text_of(number: int) -> str:
    rng = np.random.default_rng(number)
    return " ".join(rng.choice(WORDS, size=rng.integers(3, 12)).tolist())


def chunk_of(number: int) -> Chunk:
    return Chunk(key_of(number), text_of(number), {"kind": ["even", "odd"][number % 2]})


CHUNKS = tuple(chunk_of(number) for number in range(N))


def lexical_of(opened: OpenStore, chunks: Sequence[Chunk]) -> LexicalIndex:
    texts = [opened.kind.embedded_text(chunk) for chunk in chunks]
    return LexicalIndex.build([([c.key for c in chunks], texts)], tokenizer=Tokenizer())


def model_of(
    opened: OpenStore,
    base: Any,
    adapter: QueryAdapter,
    *,
    weights: Mapping[str, float] = WEIGHTS,
    **changes: Any,
) -> FusionModel:
    """Return a learned retriever whose training questions each have one or two answers."""
    training = [f"training question {number}" for number in range(N_TRAINING)]
    model = FusionModel(
        adapter=adapter,
        head=ScoringHead(weights),
        queries=np.array([base.vector("query", text) for text in training], dtype=np.float32),
        answers=tuple((key_of(3 * n), key_of(3 * (n % 7) + 1)) for n in range(N_TRAINING)),
        lexical=lexical_of(opened, CHUNKS),
        similarity=opened.kind.similarity,  # type: ignore[arg-type]
        depth=30,
    )
    return replace(model, **changes)


def unit(rows: Values) -> Values:
    lengths: Values = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / lengths


def similarities(query: Values, documents: Values, similarity: str) -> Values:
    found: dict[str, Values] = {
        "cosine": unit(documents) @ unit(query),
        "dot": documents @ query,
        "euclidean": -np.sqrt(((documents - query) ** 2).sum(axis=1)),
    }
    return found[similarity]


def votes(model: FusionModel, query: Values, keys: Sequence[str], width: float) -> Values:
    questions = unit(model.queries.astype(np.float64))
    centre = questions.mean(axis=0)
    cosines = unit(questions - centre) @ unit(unit(query) - centre)
    weights = np.exp(-width * (1 - cosines))
    return np.array(
        [
            sum(w for w, answers in zip(weights, model.answers, strict=True) if key in answers)
            for key in keys
        ]
    )


def hubness(model: FusionModel, documents: Values) -> Values:
    questions = unit(model.adapter(model.queries).astype(np.float64))
    cosines = np.sort(unit(documents) @ questions.T, axis=1)
    nearest: Values = -cosines[:, -5:].mean(axis=1)
    return nearest


def bm25(model: FusionModel, question: str, keys: Sequence[str], texts: Sequence[str]) -> Values:
    """Return BM25 over the best; of documents that the lexical index lacks, by their text."""
    assert model.lexical is not None
    match = model.lexical.match(question)
    known, own = match.of(keys), match.of_texts(texts)
    scores = np.where(np.isnan(known), own, known).astype(np.float64)
    highest = max(match.highest, float(scores.max()))
    return scores / highest if highest > 0 else scores


def expected(
    model: FusionModel,
    question: str,
    opened: OpenStore,
    base: Any,
    *,
    chunks: Sequence[Chunk] = CHUNKS,
    only: Callable[[Chunk], bool] = lambda _: True,
    k: int = K,
) -> list[Result]:
    """Return the `k` best of all chunks by their exact scores."""
    keys = [chunk.key for chunk in chunks]
    texts = [opened.kind.embedded_text(chunk) for chunk in chunks]
    documents = np.array([base.vector("document", text) for text in texts])
    documents = unit(documents) if opened.kind.unit else documents
    query = np.array(base.vector("query", question))
    adapted = model.adapter(query.astype(np.float32)).astype(np.float64)
    scores = similarities(adapted, documents, opened.kind.similarity)
    weights = model.head.by_name
    if weights["lexical"]:
        scores += weights["lexical"] * bm25(model, question, keys, texts)
    for width in (5, 10, 20):
        scores += weights[f"votes_{width}"] * votes(model, query, keys, width)
    scores += weights["hubness"] * hubness(model, documents)
    order = [row for row in np.argsort(-scores) if only(chunks[row])]
    return [Result(keys[row], float(scores[row])) for row in order[:k]]


def check_same(found: Sequence[Result], wanted: Sequence[Result]) -> None:
    assert [one.key for one in found] == [one.key for one in wanted]
    np.testing.assert_allclose(
        [one.score for one in found], [one.score for one in wanted], rtol=1e-5, atol=1e-5
    )


Filled = Callable[..., OpenStore]


class FusionContract:
    """Derive a class `Test...` with the `serving` of one integration.

    The folder of the test needs the fixtures of `tests.integrations.fixtures` and `framework`.
    """

    serving: Serving

    @pytest.fixture
    def fill(self, make_store: Callable[..., OpenStore], base: Any) -> Filled:
        """Return a function that fills a store of a kind in `STORES` with all chunks."""

        def make(name: str, chunks: Sequence[Chunk] = CHUNKS) -> OpenStore:
            return make_store(self.serving.kinds.get(name, name), chunks, base)

        return make

    @pytest.fixture(params=["identity", "linear"])
    def adapters(self, request: pytest.FixtureRequest, adapter: LinearAdapter) -> LinearAdapter:
        """Return the identity, then a linear adapter."""
        return adapter if request.param == "linear" else LinearAdapter(np.eye(DIM))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", STORES)
    def test_ids_and_scores_are_those_of_exact_scoring_of_all_documents(
        self, name: str, fill: Filled, base: Any, adapters: LinearAdapter
    ) -> None:
        opened = fill(name)
        model = model_of(opened, base, adapters)
        retriever = self.serving.retriever(opened.store, model)
        differing = 0
        for question in QUESTIONS:
            wanted = expected(model, question, opened, base)
            check_same(self.serving.results(retriever, question), wanted)
            near = expected(replace(model, head=ScoringHead({})), question, opened, base)
            differing += [one.key for one in wanted] != [one.key for one in near]
        assert differing > 0

    def test_the_evaluation_of_a_dataset_ranks_as_the_retriever_does(
        self, fill: Filled, base: Any, adapters: LinearAdapter
    ) -> None:
        opened = fill("in-memory")
        outdated = lexical_of(opened, [*CHUNKS[5:], chunk_of(N)])
        model = model_of(opened, base, adapters, lexical=outdated)
        retriever = self.serving.retriever(opened.store, model)
        retriever.refresh()
        texts = RetrievalDataset(
            {f"q{number}": question for number, question in enumerate(QUESTIONS)},
            {chunk.key: opened.kind.embedded_text(chunk) for chunk in CHUNKS},
            {f"q{number}": {CHUNKS[number].key: 1.0} for number in range(len(QUESTIONS))},
        )
        embedded = EmbeddedDataset(
            np.array([base.vector("query", question) for question in QUESTIONS]),
            np.array([base.vector("document", text) for text in texts.corpus.values()]),
            tuple(np.array([number]) for number in range(len(QUESTIONS))),
        )
        run = evaluate_fusion(embedded, model, texts=texts, metrics=[f"ndcg@{K}"]).run
        for query, question in texts.queries.items():
            found = self.serving.results(retriever, question)
            assert list(run[query]) == [one.key for one in found]

    @pytest.mark.parametrize("feature", ["lexical", "votes_10"])
    def test_documents_far_from_the_query_are_found_by_exact_words_and_votes(
        self, feature: str, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("in-memory")
        model = model_of(opened, base, adapter, weights={feature: 1e4}, depth=K)
        if feature != "lexical":
            model = replace(model, lexical=None)
        wanted = expected(model, QUESTIONS[1], opened, base)
        near = expected(replace(model, head=ScoringHead({})), QUESTIONS[1], opened, base)
        assert {one.key for one in wanted} - {one.key for one in near}
        retriever = self.serving.retriever(opened.store, model)
        check_same(self.serving.results(retriever, QUESTIONS[1]), wanted)

    @pytest.mark.parametrize("feature", WEIGHTS)
    def test_each_feature_alone_is_exact(
        self, feature: str, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("in-memory")
        model = model_of(opened, base, adapter, weights={feature: 0.5})
        if feature != "lexical":
            model = replace(model, lexical=None)
        retriever = self.serving.retriever(opened.store, model)
        wanted = expected(model, QUESTIONS[0], opened, base)
        check_same(self.serving.results(retriever, QUESTIONS[0]), wanted)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", STORES)
    async def test_asynchronous_retrieval_is_the_same(
        self, name: str, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        if name in self.serving.synchronous:
            pytest.skip("the framework cannot search this store asynchronously")
        opened = fill(name)
        retriever = self.serving.retriever(opened.store, model_of(opened, base, adapter))
        found = await self.serving.aresults(retriever, QUESTIONS[0])
        check_same(found, self.serving.results(retriever, QUESTIONS[0]))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", STORES)
    def test_without_weights_it_is_the_search_with_the_adapter(
        self, name: str, fill: Filled, framework: Framework, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill(name)
        model = model_of(opened, base, adapter, weights={})
        store = opened.reopen(framework.adapted(base, adapter))
        searched = opened.search(QUESTIONS[0])
        for given in (None, base, framework.adapted(base, adapter)):
            options = {"base": given, "k": 5, "check_model": False}
            retriever = self.serving.retriever(store, model, **options)
            found = self.serving.results(retriever, QUESTIONS[0])
            assert [one.key for one in found] == searched

    @pytest.mark.slow
    @pytest.mark.parametrize("name", STORES)
    def test_documents_of_exact_words_and_votes_satisfy_the_filter(
        self, name: str, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill(name)
        if not opened.kind.filters:
            pytest.skip("the store has no filters")
        model = model_of(opened, base, adapter)
        retriever = self.serving.retriever(opened.store, model, only_even=True)
        for question in QUESTIONS:
            wanted = expected(
                model, question, opened, base, only=lambda chunk: chunk.metadata["kind"] == "even"
            )
            check_same(self.serving.results(retriever, question), wanted)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", STORES)
    def test_added_and_deleted_documents_are_told_and_then_refreshed(
        self, name: str, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill(name)
        model = model_of(opened, base, adapter, depth=100)
        retriever = self.serving.retriever(opened.store, model)
        new = [chunk_of(number) for number in range(N, N + 6)]
        self.serving.add(opened.store, new)
        gone = {chunk.key for chunk in CHUNKS[:20]} if opened.kind.deletes else set()
        if gone:
            opened.kind.delete(opened.store, sorted(gone))
        chunks = [chunk for chunk in (*CHUNKS, *new) if chunk.key not in gone]
        with pytest.warns(LexicalIndexWarning, match=r"refresh\(\)") as told:
            found = self.serving.results(retriever, QUESTIONS[0])
        assert len(told) == (2 if gone else 1)
        check_same(found, expected(model, QUESTIONS[0], opened, base, chunks=chunks))
        self.serving.results(retriever, QUESTIONS[1])  # a second warning would be an error

        assert retriever.refresh() == Refresh(updated=len(new), deleted=len(gone))
        fresh = replace(model, lexical=lexical_of(opened, chunks))
        for question in QUESTIONS:
            wanted = expected(fresh, question, opened, base, chunks=chunks)
            check_same(self.serving.results(retriever, question), wanted)
        assert retriever.refresh() == Refresh()

    def test_a_changed_text_is_told_and_then_refreshed(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("in-memory")
        model = model_of(opened, base, adapter, weights={"lexical": 5.0})
        retriever = self.serving.retriever(opened.store, model)
        best = self.serving.results(retriever, QUESTIONS[0])[0].key
        texts = ("nothing", f"{QUESTIONS[0]} and more")
        changed = [replace(c, text=" ".join(texts)) for c in CHUNKS if c.key == best]
        opened.kind.delete(opened.store, [best])
        self.serving.add(opened.store, changed)
        with pytest.warns(LexicalIndexWarning, match=f"other texts .*{best}.*refresh"):
            assert best in {one.key for one in self.serving.results(retriever, QUESTIONS[0])}
        assert retriever.refresh() == Refresh(updated=1)
        chunks = [chunk for chunk in CHUNKS if chunk.key != best] + changed
        fresh = replace(model, lexical=lexical_of(opened, chunks))
        wanted = expected(fresh, QUESTIONS[0], opened, base, chunks=chunks)
        check_same(self.serving.results(retriever, QUESTIONS[0]), wanted)

    def test_deleted_answers_of_training_questions_are_left_out_silently(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("in-memory")
        model = model_of(opened, base, adapter, weights={"votes_5": 0.5}, lexical=None)
        retriever = self.serving.retriever(opened.store, model)
        opened.kind.delete(opened.store, [key_of(n) for n in range(7)])
        found = self.serving.results(retriever, QUESTIONS[0])
        check_same(found, expected(model, QUESTIONS[0], opened, base, chunks=CHUNKS[7:]))
        assert retriever.refresh() == Refresh()

    def test_a_store_that_was_emptied_since_has_nothing_to_retrieve(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("in-memory")
        retriever = self.serving.retriever(opened.store, model_of(opened, base, adapter))
        opened.kind.delete(opened.store, [chunk.key for chunk in CHUNKS])
        with pytest.warns(LexicalIndexWarning, match="no longer has"):
            assert self.serving.results(retriever, QUESTIONS[0]) == []
        with pytest.raises(InvalidVectorsError, match="add documents"):
            retriever.refresh()

    def test_the_parts_of_an_explained_score_add_up_to_it(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("in-memory")
        model = model_of(opened, base, adapter)
        explained = self.serving.retriever(opened.store, model, explain=True)
        for one in self.serving.results(explained, QUESTIONS[0]):
            assert one.parts is not None
            assert one.parts.keys() == {"similarity", *WEIGHTS}
            assert sum(one.parts.values()) == pytest.approx(one.score)
        plain = self.serving.results(
            self.serving.retriever(opened.store, model), QUESTIONS[0]
        )  # the stored documents were not changed
        assert {one.parts is None for one in plain} == {True}

    def test_a_saved_retriever_is_refreshed_in_its_folder(
        self, fill: Filled, base: Any, adapter: LinearAdapter, tmp_path: Path
    ) -> None:
        opened = fill("in-memory")
        model = model_of(opened, base, adapter)
        record = AdapterRecord(base_model=NAME)
        folder = save_fusion(
            SavedFusion(model=model, saved=SavedAdapter(adapter=adapter, record=record)),
            tmp_path / "saved",
        )
        retriever = self.serving.load(folder, opened.store)
        wanted = expected(model, QUESTIONS[0], opened, base)
        check_same(self.serving.results(retriever, QUESTIONS[0]), wanted)
        new = [chunk_of(N)]
        self.serving.add(opened.store, new)
        assert retriever.refresh() == Refresh(updated=1)
        again = self.serving.load(folder, opened.store)
        fresh = replace(model, lexical=lexical_of(opened, [*CHUNKS, *new]))
        wanted = expected(fresh, QUESTIONS[0], opened, base, chunks=[*CHUNKS, *new])
        check_same(self.serving.results(again, QUESTIONS[0]), wanted)

    def test_more_documents_than_the_store_holds_are_all_of_them(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        opened = fill("in-memory")
        retriever = self.serving.retriever(opened.store, model_of(opened, base, adapter), k=500)
        found = [one.key for one in self.serving.results(retriever, QUESTIONS[0])]
        assert sorted(found) == sorted(chunk.key for chunk in CHUNKS)

    def test_bad_input_is_refused_with_the_remedy(
        self, fill: Filled, base: Any, adapter: LinearAdapter, make_adapter: Callable[..., Any]
    ) -> None:
        opened = fill("in-memory")
        model, make = model_of(opened, base, adapter), self.serving.retriever
        with pytest.raises(ValueError, match="at least 1, got 0"):
            make(opened.store, model, k=0)
        record = AdapterRecord(base_model="another/model")
        other = SavedFusion(model=model, saved=SavedAdapter(adapter=adapter, record=record))
        with pytest.raises(AdapterMismatchError, match=r"another/model.*pass that model"):
            make(opened.store, other)
        make(opened.store, other, check_model=False)
        longer = make_adapter(dim_out=DIM + 1)
        with pytest.raises(DimensionMismatchError, match=f"expected {DIM + 1} .*got {DIM}; serve"):
            make(opened.store, replace(model, adapter=longer))
        with pytest.raises(TypeError, match=r"FusionModel or a SavedFusion, got str; .*load"):
            make(opened.store, "a folder")

    def test_an_empty_store_is_refused(
        self, fill: Filled, base: Any, adapter: LinearAdapter
    ) -> None:
        empty = fill("in-memory", [])
        model = model_of(empty, base, adapter)
        with pytest.raises(InvalidVectorsError, match="got an empty store; add documents"):
            self.serving.retriever(empty.store, model)
        with pytest.raises(InvalidVectorsError, match="got an empty store; add documents"):
            self.serving.retriever(empty.store, replace(model, answers=((),) * N_TRAINING))
