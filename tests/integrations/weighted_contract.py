"""What learned weights of retrievers promise in both integrations: derive `WeightedContract`.

Retrievers are scripted: what they return is written down here, or follows a rule.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.errors import (
    AdapterFileError,
    InvalidDatasetError,
    InvalidVectorsError,
    NotFinetunedError,
)
from query_adapters.fusion.retrievers import RetrieverWeights, Scale
from query_adapters.lexical import LexicalIndex, Tokenizer

Found = Sequence[tuple[str, float | None]]
"""Ids with their scores, best first."""
N = 60
KEYS = tuple(f"d{number}" for number in range(N))
QUESTIONS = {f"question number {number}": key for number, key in enumerate(KEYS)}
SHUFFLED = dict(zip(QUESTIONS, np.random.default_rng(5).permutation(KEYS).tolist(), strict=True))


@dataclass
class Script:
    """What a scripted retriever does, and what happened to it.

    Attributes:
        find: Returns the documents of a question.
        asked: The questions, in order.
        most_running: The most concurrent asynchronous calls of all scripts that share `running`.
        running: Number of calls that run now, in a list of one.
    """

    find: Callable[[str], Found]
    asked: list[str] = field(default_factory=list)
    running: list[int] = field(default_factory=lambda: [0])
    most_running: int = 0

    def __call__(self, question: str) -> Found:
        self.asked.append(question)
        return self.find(question)

    async def later(self, question: str) -> Found:
        self.running[0] += 1
        for _ in range(5):
            self.most_running = max(self.most_running, self.running[0])
            await asyncio.sleep(0)
        self.running[0] -= 1
        return self(question)


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """An integration's learned weights, as the contract calls them.

    Attributes:
        scripted: Takes a Script, returns a retriever of the framework.
        engine: The class of the engine.
        hybrid_engine: The class of the engine for hybrid queries.
        retriever: The class of the served retriever.
        top: Name of the option for the number of documents.
        found: Takes a retriever and a question, returns ids with scores, None without.
        afound: The same, asynchronously.
        evaluator: The class that scores a retriever.
    """

    scripted: Callable[[Script], Any]
    engine: Any
    hybrid_engine: Any
    retriever: Any
    top: str
    found: Callable[[Any, str], list[tuple[str, float | None]]]
    afound: Callable[[Any, str], Any]
    evaluator: Any


def finder(mean: float, *, seed: int, with_scores: bool = True) -> Script:
    """Return a retriever that finds the answer the better, the higher the mean."""
    scores = np.random.default_rng(seed).normal(size=(N, N)) + mean * np.eye(N)

    def find(question: str) -> Found:
        row = scores[int(question.rsplit(" ", 1)[1])]
        best = np.argsort(-row)[:20].tolist()
        return [(KEYS[place], float(row[place]) if with_scores else None) for place in best]

    return Script(find)


def weights_of(*weights: float, span: float = 2.0) -> RetrieverWeights:
    return RetrieverWeights(
        names=tuple(f"r{n}" for n in range(len(weights))),
        weights=weights,
        scales=(Scale("score", span),) * len(weights),
    )


def lexical_of(texts: Mapping[str, str]) -> Callable[[str], Found]:
    """Return a search by exact words, with BM25's scores."""
    index = LexicalIndex.build([(list(texts), list(texts.values()))], tokenizer=Tokenizer())

    def find(question: str) -> Found:
        ids, scores = index.match(question).top(50)
        return list(zip(ids, map(float, scores), strict=True))

    return find


def fixed(found: Mapping[str, float | None]) -> Script:
    return Script(lambda _: list(found.items()))


class WeightedContract:
    """Tests of the engines and of the served retriever, given a fixture `weighing`."""

    def served(
        self, weighing: Weighing, scripts: Sequence[Script], *weights: float, k: int = 10
    ) -> Any:
        retrievers = [weighing.scripted(script) for script in scripts]
        return weighing.retriever(retrievers, weights_of(*weights), **{weighing.top: k})

    def trained(
        self,
        weighing: Weighing,
        scripts: Sequence[Script],
        questions: Mapping[str, str] = QUESTIONS,
        **options: Any,
    ) -> Any:
        retrievers = [weighing.scripted(script) for script in scripts]
        engine = weighing.engine(questions, retrievers, **options)
        engine.finetune()
        return engine

    async def test_the_union_is_ranked_by_the_weighed_sum(self, weighing: Weighing) -> None:
        scripts = [fixed({"a": 5, "b": 4, "c": 1}), fixed({"d": 3, "c": 2, "a": 1})]
        retriever = self.served(weighing, scripts, 1, 0.5)
        # a: 4/2 + 0; b: 3/2; d: 0.5 * 2/2; c: 0 + 0.5 * 1/2
        expected = [("a", 2.0), ("b", 1.5), ("d", 0.5), ("c", 0.25)]
        assert weighing.found(retriever, "question") == expected
        assert await weighing.afound(retriever, "question") == expected
        assert weighing.found(self.served(weighing, scripts, 1, 0.5, k=2), "q") == expected[:2]

    async def test_a_retriever_without_a_weight_is_not_asked(self, weighing: Weighing) -> None:
        scripts = [fixed({"a": 5, "b": 4}), fixed({"c": 3}), fixed({"b": 3, "c": 1})]
        retriever = self.served(weighing, scripts, 1, 0, 1)
        assert weighing.found(retriever, "one") == [("b", 1.0), ("a", 0.5), ("c", 0.0)]
        await weighing.afound(retriever, "two")
        assert [script.asked for script in scripts] == [["one", "two"], [], ["one", "two"]]

    async def test_the_base_alone_is_returned_as_it_is(self, weighing: Weighing) -> None:
        base = {"c": 0.5, "a": 0.75, "b": None}
        scripts = [fixed(base), fixed({"d": 1})]
        expected = weighing.found(weighing.scripted(fixed(base)), "question")
        retriever = self.served(weighing, scripts, 1, 0)
        assert weighing.found(retriever, "question") == expected
        assert await weighing.afound(retriever, "question") == expected
        assert scripts[1].asked == []

    async def test_retrievers_are_asked_at_the_same_time(self, weighing: Weighing) -> None:
        running = [0]
        scripts = [Script(lambda _: [("a", 2), ("b", 1)], running=running) for _ in range(3)]
        await weighing.afound(self.served(weighing, scripts, 1, 1, 1), "question")
        assert max(script.most_running for script in scripts) == 3

    def test_scores_that_were_there_in_training_are_required(self, weighing: Weighing) -> None:
        retriever = self.served(weighing, [fixed({"a": 1}), fixed({"b": None})], 1, 1)
        with pytest.raises(InvalidVectorsError, match="as for the training questions"):
            weighing.found(retriever, "question")

    def test_wrong_arguments_are_refused(self, weighing: Weighing) -> None:
        one = weighing.scripted(fixed({"a": 1}))
        with pytest.raises(ValueError, match="expected 2, as the weights were learned for r0, r1"):
            weighing.retriever([one], weights_of(1, 1))
        with pytest.raises(ValueError, match="at least 1, got 0"):
            weighing.retriever([one, one], weights_of(1, 1), **{weighing.top: 0})
        with pytest.raises(TypeError, match="retrievers: expected"):
            weighing.retriever([one, "index"], weights_of(1, 0))

    @pytest.mark.parametrize("with_scores", [True, False])
    def test_a_helpful_retriever_is_weighed_and_saved(
        self, weighing: Weighing, output: Path, with_scores: bool
    ) -> None:
        scripts = [finder(1, seed=1), finder(2, seed=2, with_scores=with_scores)]
        engine = self.trained(weighing, scripts, names=["dense", "words"], model_output_path=output)
        assert engine.result.decision == "retriever"
        assert engine.result.weights.by_name["words"] > 0.5
        assert engine.result.weights.scales[1].by == ("score" if with_scores else "rank")
        assert [len(script.asked) for script in scripts] == [N, N]
        retriever = engine.get_finetuned_retriever(**{weighing.top: 3})
        question = next(iter(QUESTIONS))
        found = weighing.found(retriever, question)
        assert len(found) == 3
        retrievers = [weighing.scripted(script) for script in scripts]
        loaded = weighing.retriever.load(
            output, retrievers, names=["dense", "words"], **{weighing.top: 3}
        )
        assert weighing.found(loaded, question) == found

    def test_it_ranks_better_than_the_base_does(self, weighing: Weighing, output: Path) -> None:
        engine = self.trained(
            weighing, [finder(1, seed=1), finder(2, seed=2)], model_output_path=output
        )
        dataset = engine._finetuner.asking.dataset
        fused, base = (
            weighing.evaluator(retriever, ["ndcg@10"]).evaluate_dataset(dataset).means["ndcg@10"]
            for retriever in (
                engine.get_finetuned_retriever(),
                weighing.scripted(finder(1, seed=1)),
            )
        )
        assert fused > base + 0.1

    def test_with_shuffled_labels_only_the_base_is_asked(
        self, weighing: Weighing, output: Path
    ) -> None:
        scripts = [finder(1, seed=1), finder(2, seed=2)]
        engine = self.trained(weighing, scripts, SHUFFLED, model_output_path=output)
        assert engine.result.decision == "base"
        question = next(iter(QUESTIONS))
        found = weighing.found(engine.get_finetuned_retriever(), question)
        assert found == weighing.found(weighing.scripted(finder(1, seed=1)), question)[:10]
        assert len(scripts[1].asked) == N

    def test_a_folder_of_other_retrievers_is_refused(
        self, weighing: Weighing, output: Path
    ) -> None:
        self.trained(weighing, [finder(1, seed=1), finder(2, seed=2)], model_output_path=output)
        retrievers = [weighing.scripted(finder(1, seed=1)) for _ in range(3)]
        assert weighing.retriever.load(output, retrievers[:2])
        with pytest.raises(AdapterFileError, match="learned for the retrievers"):
            weighing.retriever.load(output, retrievers)
        with pytest.raises(AdapterFileError, match="learned for the retrievers"):
            weighing.retriever.load(output, retrievers[:2], names=["dense", "words"])
        with pytest.raises(FileNotFoundError, match=r"expected retriever_weights.json"):
            weighing.retriever.load(output / "none", retrievers[:2])

    def test_after_an_error_training_asks_what_is_missing(
        self, weighing: Weighing, output: Path
    ) -> None:
        good, failing = finder(1, seed=1), finder(2, seed=2)
        find, failures = failing.find, [ConnectionError("search is down")]

        def flaky(question: str) -> Found:
            if question.endswith(" 7") and failures:
                raise failures.pop()
            return find(question)

        failing.find = flaky
        retrievers = [weighing.scripted(good), weighing.scripted(failing)]
        engine = weighing.engine(
            QUESTIONS, retrievers, names=["dense", "words"], model_output_path=output
        )
        with pytest.raises(ConnectionError, match="search is down") as raised:
            engine.finetune()
        assert "retriever 'words' for the question 'question number 7'" in raised.value.__notes__[0]
        with pytest.raises(NotFinetunedError):
            engine.get_finetuned_retriever()
        engine.finetune()
        assert sorted(good.asked) == sorted(QUESTIONS)
        assert sorted(failing.asked) == sorted([*QUESTIONS, "question number 7"])
        assert engine.result.decision == "retriever"

    def test_equal_questions_are_asked_once(self, weighing: Weighing, output: Path) -> None:
        scripts = [finder(1, seed=1), finder(2, seed=2)]
        pairs = [*QUESTIONS.items(), *list(QUESTIONS.items())[:5]]
        retrievers = [weighing.scripted(script) for script in scripts]
        engine = weighing.engine(pairs, retrievers, model_output_path=output)
        engine.finetune()
        engine.finetune()
        assert [len(script.asked) for script in scripts] == [N, N]

    @pytest.mark.parametrize(
        ("found", "error", "message"),
        [
            ([("x1", 2.0)], InvalidDatasetError, r"none of 60: ids such as 'x1'"),
            ([], InvalidDatasetError, r"r0: expected documents"),
            ([("d1", float("nan"))], InvalidVectorsError, r"'d1': expected a finite score"),
        ],
        ids=["other ids", "nothing", "NaN"],
    )
    def test_results_that_teach_nothing_are_refused(
        self,
        weighing: Weighing,
        output: Path,
        found: Found,
        error: type[Exception],
        message: str,
    ) -> None:
        scripts = [Script(lambda _: found), Script(lambda _: found)]
        with pytest.raises(error, match=message):
            self.trained(weighing, scripts, names=["r0", "r1"], model_output_path=output)
        assert not output.exists()

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"guard": "maybe"}, ValueError, "guard: expected one of"),
            ({"metric": "ndcg"}, KeyError, "unknown metric"),
            ({"seed": -1}, ValueError, "seed: expected at least 0"),
            ({"depth": 5}, TypeError, "unexpected arguments: depth"),
            ({"names": ["a"]}, ValueError, "2 distinct names"),
        ],
    )
    def test_wrong_settings_are_refused_before_anything_is_asked(
        self,
        weighing: Weighing,
        options: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        scripts = [finder(1, seed=1), finder(2, seed=2)]
        with pytest.raises(error, match=message):
            self.trained(weighing, scripts, **options)
        with pytest.raises(ValueError, match="at least two, got 1"):
            self.trained(weighing, scripts[:1])
        assert scripts[0].asked == []

    def test_a_file_in_place_of_the_folder_is_refused(
        self, weighing: Weighing, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        script = finder(1, seed=1)
        with pytest.raises(NotADirectoryError, match="expected a folder, got the file"):
            self.trained(weighing, [script, script], model_output_path=tmp_path / "file")
        assert script.asked == []

    def test_progress_is_shown_on_request(
        self, weighing: Weighing, output: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for verbose in (False, True):
            scripts = [finder(1, seed=1), finder(2, seed=2)]
            self.trained(weighing, scripts, model_output_path=output, verbose=verbose)
            shown = capsys.readouterr().err
            assert ("Retrieving" in shown) is verbose
            assert (f" {2 * N}/{2 * N} " in shown) is verbose

    def test_something_else_than_retrievers_is_refused(self, weighing: Weighing) -> None:
        with pytest.raises(TypeError, match="retrievers: expected"):
            weighing.engine(QUESTIONS, ["index", "store"])
        with pytest.raises(TypeError, match="expected a list of retrievers"):
            weighing.engine(QUESTIONS, weighing.scripted(finder(1, seed=1)))

    def test_labels_of_unknown_documents_count_as_missing(
        self, weighing: Weighing, output: Path
    ) -> None:
        questions = {**QUESTIONS, "question number 3": "unknown"}
        engine = self.trained(
            weighing, [finder(1, seed=1), finder(2, seed=2)], questions, model_output_path=output
        )
        assert engine.result.decision == "retriever"

    def test_the_weight_of_a_hybrid_query_is_chosen(self, weighing: Weighing, output: Path) -> None:
        made: list[float] = []

        def retriever_at(alpha: float) -> Any:
            made.append(alpha)
            return weighing.scripted(finder(2 - 2 * alpha, seed=3))

        engine = weighing.hybrid_engine(
            QUESTIONS,
            retriever_at,
            alphas=(0, 0.5, 1),
            base_alpha=1,
            model_output_path=output,
        )
        assert made == [1, 0, 0.5]
        with pytest.raises(NotFinetunedError):
            engine.get_finetuned_retriever()
        engine.finetune()
        assert engine.result.decision == "retriever"
        assert engine.result.alpha == 0
        question = next(iter(QUESTIONS))
        found = weighing.found(engine.get_finetuned_retriever(), question)
        assert found == weighing.found(weighing.scripted(finder(2, seed=3)), question)
        assert '"alpha": 0.0' in (output / "hybrid_weight.json").read_text("utf-8")

    def test_with_shuffled_labels_the_weight_stays(self, weighing: Weighing, output: Path) -> None:
        engine = weighing.hybrid_engine(
            SHUFFLED,
            lambda alpha: weighing.scripted(finder(2 - 2 * alpha, seed=3)),
            base_alpha=0.5,
            model_output_path=output,
        )
        engine.finetune()
        assert (engine.result.decision, engine.result.alpha) == ("base", 0.5)

    @pytest.mark.parametrize("alphas", [(), (0.5,), (0, float("nan"))])
    def test_wrong_weights_are_refused(self, weighing: Weighing, alphas: Sequence[float]) -> None:
        with pytest.raises(ValueError, match="alphas: expected finite weights beside"):
            weighing.hybrid_engine(
                QUESTIONS,
                lambda _: weighing.scripted(finder(1, seed=1)),
                alphas=alphas,
                base_alpha=0.5,
            )
