"""Tests of learned weights of LangChain retrievers."""

from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever, EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_community.vectorstores import FAISS
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    BaseCallbackHandler,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import VectorStore

from langchain_adapter import (
    FusionFinetuneEngine,
    HybridWeightFinetuneEngine,
    RetrieverEvaluator,
    WeightedFusionRetriever,
)
from langchain_adapter.scoring import listed, scoring
from query_adapters.errors import InvalidDatasetError
from query_adapters.fusion.retrievers import RetrievedList, Scale
from tests.docs.hashed_words import HELD_OUT, TRAINING, LangChainHashedWords
from tests.integrations.langchain import RecordingEmbeddings, documents_of, store_of
from tests.integrations.weighted_contract import (
    Script,
    Weighing,
    WeightedContract,
    fixed,
    lexical_of,
    weights_of,
)

QUESTION = "how far is the harbour?"
TEXTS = {f"d{number}": f"{number} miles" for number in range(8)}


class ScriptedRetriever(BaseRetriever):
    """A retriever that does what its script says."""

    script: Any

    def __init__(self, script: Script, **options: Any) -> None:
        fields: dict[str, Any] = {"script": script, **options}
        super().__init__(**fields)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return documents(self.script(query))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        return documents(await self.script.later(query))


def documents(found: Any) -> list[Document]:
    return [
        Document(f"text {key}", id=key, metadata={} if score is None else {"score": score})
        for key, score in found
    ]


def results(found: list[Document]) -> list[tuple[str, float | None]]:
    scores = [one.metadata.get("relevance_score", one.metadata.get("score")) for one in found]
    return [(str(one.id), score) for one, score in zip(found, scores, strict=True)]


async def afound(retriever: BaseRetriever, question: str) -> list[tuple[str, float | None]]:
    return results(await retriever.ainvoke(question))


class TestContract(WeightedContract):
    @pytest.fixture
    def weighing(self) -> Weighing:
        return Weighing(
            scripted=ScriptedRetriever,
            engine=FusionFinetuneEngine,
            hybrid_engine=HybridWeightFinetuneEngine,
            retriever=WeightedFusionRetriever,
            top="k",
            found=lambda retriever, question: results(retriever.invoke(question)),
            afound=afound,
            evaluator=RetrieverEvaluator,
        )


def two(**options: Any) -> WeightedFusionRetriever:
    retrievers = [
        ScriptedRetriever(fixed({"a": 5, "b": 4, "c": 1})),
        ScriptedRetriever(fixed({"d": 3, "c": 2, "a": 1})),
    ]
    return WeightedFusionRetriever(retrievers, weights_of(1, 0.5), **options)


def returning(*found: Document) -> RunnableLambda[str, list[Document]]:
    """Return a Runnable that always returns these documents."""

    def search(question: str) -> list[Document]:
        return list(found)

    return RunnableLambda(search)


class FirstOnly(BaseDocumentCompressor):
    """Keeps the first document."""

    def compress_documents(self, documents: Any, query: str, callbacks: Any = None) -> Any:
        return list(documents)[:1]


class Recording(BaseCallbackHandler):
    """Records the start of each retriever's run, with its tags."""

    def __init__(self) -> None:
        self.started: list[tuple[str, list[str]]] = []

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self.started.append((kwargs["name"], kwargs["tags"]))


class TestServing:
    def test_under_a_compressor(self) -> None:
        compressing = ContextualCompressionRetriever(
            base_compressor=FirstOnly(), base_retriever=two()
        )
        assert results(compressing.invoke(QUESTION)) == [("a", 2.0)]

    def test_in_a_chain_and_in_batches(self) -> None:
        def ids(given: dict[str, Any]) -> list[str]:
            return [document.id for document in given["context"]]

        context = RunnablePassthrough.assign(context=itemgetter("question") | two(k=2))
        chain = {"question": RunnablePassthrough()} | context | RunnableLambda(ids)
        assert chain.batch([QUESTION, "another"]) == [["a", "b"], ["a", "b"]]

    def test_k_can_be_given_per_call(self) -> None:
        assert [document.id for document in two().invoke(QUESTION, k=1)] == ["a"]
        with pytest.raises(ValueError, match="at least 1, got 0"):
            two().invoke(QUESTION, k=0)

    def test_runs_are_nested_with_their_tags(self) -> None:
        recorder = Recording()
        two(tags=["mine"], name="fused").invoke(QUESTION, {"callbacks": [recorder]})
        assert [name for name, _ in recorder.started] == ["fused", *["ScriptedRetriever"] * 2]
        assert recorder.started[0][1] == ["mine"]

    def test_documents_are_copies_with_their_score(self) -> None:
        kept = [Document("one", id="a"), Document("two", id="b")]
        listing = returning(*kept)
        weights = weights_of(1, 1)
        ranks = type(weights)(weights.names, weights.weights, (Scale("rank", 1 / 61),) * 2)
        found = WeightedFusionRetriever([listing, listing], ranks).invoke(QUESTION)
        assert [one.metadata for one in found] == [
            {"relevance_score": pytest.approx(2)},
            {"relevance_score": pytest.approx(2 * 61 / 62)},
        ]
        assert [one.metadata for one in kept] == [{}, {}]

    def test_documents_without_an_id_are_refused(self) -> None:
        listing = returning(Document("one"))
        retriever = WeightedFusionRetriever([listing, listing], weights_of(1, 1))
        with pytest.raises(InvalidDatasetError, match="expected a document with an id"):
            retriever.invoke(QUESTION)

    def test_ids_can_be_in_the_metadata_of_some(self) -> None:
        keyed = returning(Document("x", metadata={"_id": 7, "score": 1}))
        plain = returning(Document("x", id="7", metadata={"score": 2}))
        retriever = WeightedFusionRetriever([keyed, plain], weights_of(1, 1), id_key="_id")
        assert [one.id for one in retriever.invoke(QUESTION)] == ["7"]

    def test_unknown_options_are_refused(self) -> None:
        with pytest.raises(ValueError, match="similarity_top_k"):
            two(similarity_top_k=3)


class Unscored(VectorStore):
    """A store that returns no scores."""

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return documents_of(TEXTS)[:k]

    @classmethod
    def from_texts(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class TestScores:
    async def both(self, retriever: Any) -> list[RetrievedList]:
        asked = scoring(retriever)
        found = [asked.invoke(QUESTION), await asked.ainvoke(QUESTION)]
        return [listed(one, None) for one in found]

    async def test_of_a_vector_store_are_its_own(self) -> None:
        store = store_of(TEXTS, RecordingEmbeddings())
        expected = store.similarity_search_with_score(QUESTION, k=5)
        for found in await self.both(store.as_retriever(search_kwargs={"k": 5})):
            assert found.ids == tuple(str(document.id) for document, _ in expected)
            assert found.scores == pytest.approx([score for _, score in expected])
            assert Scale.of([found]).by == "score"

    async def test_of_faiss_are_distances(self) -> None:
        store = FAISS.from_documents(documents_of(TEXTS), RecordingEmbeddings())
        for found in await self.both(store.as_retriever(search_kwargs={"k": 5})):
            assert len(found.ids) == 5
            assert Scale.of([found]).by == "distance"

    async def test_of_a_store_without_any_are_ranks(self) -> None:
        retriever = Unscored().as_retriever(search_kwargs={"k": 5})
        assert await self.both(retriever) == [RetrievedList(list(TEXTS)[:5])] * 2

    async def test_of_marginal_relevance_are_ranks(self) -> None:
        store = store_of(TEXTS, RecordingEmbeddings())
        retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 5})
        expected = [str(one.id) for one in retriever.invoke(QUESTION)]
        assert await self.both(retriever) == [RetrievedList(expected)] * 2

    async def test_of_bm25_are_its_own(self) -> None:
        class Words:
            """Counts the words that a text shares with the question."""

            def get_scores(self, words: list[str]) -> list[float]:
                return [float(len({*text.split()} & {*words})) for text in texts]

            def get_top_n(self, words: list[str], docs: list[Document], n: int) -> list[Document]:
                scores = self.get_scores(words)
                return [docs[row] for row in sorted(range(len(docs)), key=lambda r: -scores[r])][:n]

        texts = ["the harbour?", "how", "far is the", "nothing"]
        docs = [Document(text, id=text[:3]) for text in texts]
        retriever = BM25Retriever(vectorizer=Words(), docs=docs, k=3)
        assert [one.id for one in retriever.invoke(QUESTION)] == ["far", "the", "how"]
        expected = RetrievedList(["far", "the", "how"], [3, 2, 1])
        assert await self.both(retriever) == [expected] * 2

    def test_that_are_no_numbers_are_none(self) -> None:
        found = [Document("x", id="x", metadata={"score": "high"})]
        assert listed(found, None).scores is None


class LexicalRetriever(BaseRetriever):
    """A retriever by exact words, without scores."""

    find: Any

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [Document(key, id=key) for key, _ in self.find(query)]


def dense_and_lexical(texts: Mapping[str, str]) -> list[Any]:
    store = store_of(texts, LangChainHashedWords())
    return [
        store.as_retriever(search_kwargs={"k": 50}),
        LexicalRetriever(find=lexical_of(texts)),
    ]


@pytest.mark.slow
class TestRealTexts:
    def test_dense_and_lexical_retrievers_together_beat_the_dense_one(self, output: Path) -> None:
        retrievers = dense_and_lexical(TRAINING.corpus)
        engine = FusionFinetuneEngine(TRAINING, retrievers, model_output_path=output)
        engine.finetune()
        assert [scale.by for scale in engine.result.weights.scales] == ["score", "rank"]
        base, fused = (
            RetrieverEvaluator(retriever, ["ndcg@10"]).evaluate_dataset(HELD_OUT)
            for retriever in (retrievers[0], engine.get_finetuned_retriever(k=10))
        )
        assert fused.means["ndcg@10"] > base.means["ndcg@10"] + 0.05

    def test_the_weight_of_an_ensemble_is_learned(self, output: Path) -> None:
        retrievers = dense_and_lexical(TRAINING.corpus)
        engine = HybridWeightFinetuneEngine(
            TRAINING,
            lambda alpha: EnsembleRetriever(retrievers=retrievers, weights=[alpha, 1 - alpha]),
            alphas=(0.1, 0.5),
            base_alpha=0.9,
            model_output_path=output,
        )
        engine.finetune()
        assert engine.result.alpha < 0.9
        ensemble = engine.get_finetuned_retriever()
        assert isinstance(ensemble, EnsembleRetriever)
        assert ensemble.weights[0] == engine.result.alpha
