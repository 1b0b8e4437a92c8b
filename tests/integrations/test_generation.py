"""Tests of question generation through the SDKs of two providers, with a local server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from query_adapters.data.dataset import to_retrieval_dataset
from query_adapters.errors import GenerationError, InvalidDatasetError
from query_adapters.generation import Prices
from tests.integrations.framework import Framework
from tests.servers.chat import (
    BROKEN_DOWN,
    EMPTY,
    HANGS,
    MALFORMED,
    MARKER,
    RATE_LIMITED,
    REFUSES,
    SHAPES,
    TRUNCATED,
    ChatServer,
    Fault,
    questions_about,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:.*:DeprecationWarning",  # raised inside the SDKs
        "ignore:.*:pydantic.warnings.PydanticDeprecatedSince20",
    ),
]
FAULTS: Mapping[str, Sequence[Fault]] = {
    "marker-0": [RATE_LIMITED],
    "marker-1": [BROKEN_DOWN],
    "marker-2": [HANGS],
    "marker-3": [TRUNCATED],
    "marker-4": [MALFORMED],
    "marker-5": [REFUSES],
    "marker-6": [EMPTY, EMPTY, EMPTY],
    "marker-7": [Fault(400)],
    "marker-8": [RATE_LIMITED, BROKEN_DOWN],
}


def texts(n: int, *, first: int = 0) -> dict[str, str]:
    return {f"c{i}": f"Chunk marker-{i} says this." for i in range(first, first + n)}


def chunks(framework: Framework, n: int, *, first: int = 0) -> Any:
    return framework.generation.chunks(texts(n, first=first))


def questions_of(dataset: Any) -> dict[str, list[str]]:
    """Return the questions of each chunk."""
    found: dict[str, list[str]] = {}
    for query, grades in to_retrieval_dataset(dataset).qrels.items():
        for chunk in grades:
            found.setdefault(chunk, []).append(dataset.queries[query])
    return found


@pytest.fixture
def path(tmp_path: Path, framework: Framework) -> Path:
    """Return the path of the dataset in LlamaIndex, or of the answers in LangChain."""
    return tmp_path / f"{framework.name}.jsonl"


@pytest.mark.parametrize("provider", ["openai", "cohere"])
@pytest.mark.parametrize("structured", [True, False])
def test_whatever_the_provider_does_no_question_belongs_to_another_chunk(
    framework: Framework, provider: str, structured: bool, tmp_path: Path
) -> None:
    generation = framework.generation
    with ChatServer(FAULTS) as server:
        generated = generation.generator(
            generation.llms[provider](server),
            journal=tmp_path / "answers.jsonl",
            structured=structured,
            timeout=1.5,
        ).run(generation.texts_of(chunks(framework, 12)))
        requests = [request for asked in server.requests.values() for request in asked]
    assert questions_of(generated.dataset) == {
        f"c{i}": questions_about(f"marker-{i}") for i in range(12) if i not in (6, 7)
    }
    assert set(generated.dataset.corpus) == set(texts(12))
    assert generated.failures.keys() == {"c6", "c7"}
    assert generated.failures["c6"] == "expected 2 questions, got 0"
    assert {generation.is_structured(request) for request in requests} == {structured}
    assert {marker: server.paid[marker] for marker in FAULTS} == {
        **{f"marker-{i}": 1 for i in (0, 1, 2, 3, 4, 8)},
        "marker-5": 2,
        "marker-6": 3,
        "marker-7": 0,
    }


def test_the_same_chunks_again_cost_nothing_and_others_are_refused(
    framework: Framework, path: Path
) -> None:
    generation = framework.generation
    with ChatServer() as server:
        llm = generation.llms["openai"](server)
        first, again = (generation.generate(chunks(framework, 5), llm, path) for _ in range(2))
        assert server.n_paid == 5
        with pytest.raises(InvalidDatasetError, match="none of them among those given"):
            generation.generate(chunks(framework, 5, first=5), llm, path)
        assert server.asked.total() == 5
    assert first == again


def test_a_plan_counts_the_calls_that_are_left_and_asks_for_nothing(
    framework: Framework, path: Path
) -> None:
    generation = framework.generation
    with ChatServer() as server:
        generator = generation.generator(
            generation.llms["openai"](server), journal=path, prices=Prices(1, 2)
        )
        generator.run(generation.texts_of(chunks(framework, 5)))
        plan = generator.plan(generation.texts_of(chunks(framework, 7)))
        assert server.asked.total() == 5
    assert (plan.n_known, plan.n_calls) == (5, 2)
    assert plan.cost is not None


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_ends_the_run(framework: Framework, status: int, path: Path) -> None:
    generation = framework.generation
    told = rf"{generation.class_name}/gpt-4o-mini may not.*{status}.*valid key"
    with ChatServer({f"marker-{i}": [Fault(status)] * 9 for i in range(50)}) as server:
        llm = generation.llms["openai"](server)
        with pytest.raises(GenerationError, match=told):
            generation.generate(chunks(framework, 50), llm, path, concurrency=4)
        assert server.asked.total() <= 8


def test_sixteen_requests_run_at_once_and_never_more(framework: Framework, path: Path) -> None:
    generation = framework.generation
    with ChatServer(hold_until=16) as server:
        llm = generation.llms["openai"](server)
        dataset = generation.generate(chunks(framework, 100), llm, path, concurrency=16)
        assert server.most_in_flight == 16
    assert len(dataset.queries) == 200


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_plain_answers_of_every_shape_are_parsed(
    framework: Framework, shape: str, path: Path
) -> None:
    generation = framework.generation
    with ChatServer(shape=shape) as server:
        llm = generation.llms["openai"](server)
        dataset = generation.generate(chunks(framework, 2), llm, path, structured=False)
        assert server.n_paid == 2
    assert questions_of(dataset) == {f"c{i}": questions_about(f"marker-{i}") for i in range(2)}


def test_a_model_without_structured_output_answers_in_plain_text(
    framework: Framework, path: Path
) -> None:
    llm = framework.generation.plain_llm("1. What is it?\n2. Who wrote it?")
    dataset = framework.generation.generate(chunks(framework, 1), llm, path, structured=True)
    assert list(dataset.queries.values()) == ["What is it?", "Who wrote it?"]


async def test_it_works_inside_a_running_loop(framework: Framework, path: Path) -> None:
    generation = framework.generation
    with ChatServer() as server:
        llm = generation.llms["openai"](server)
        dataset = generation.generate(chunks(framework, 2), llm, path)
    assert len(dataset.queries) == 4


def test_a_base_model_checks_the_questions(framework: Framework, base: Any) -> None:
    llm = framework.generation.plain_llm("1. What is it?\n2. Who wrote it?")
    made = framework.generation.generator(llm, base=base).run({"d": "text"})
    assert made.summary.dropped["own chunk not in the base's top 10"] == 0
    assert len(base.calls) > 0


def test_a_judge_makes_further_chunks_relevant(
    framework: Framework, base: Any, tmp_path: Path
) -> None:
    def reply(text: str) -> str:
        marker = MARKER.findall(text)[0]
        return '{"1": 2}' if "Which of these" in text else f"What is {marker}?\nWho is {marker}?"

    generation = framework.generation
    with ChatServer(reply=reply) as server:
        llm = generation.llms["openai"](server)
        generated = generation.generator(
            llm, base=base, judge=llm, cache_path=tmp_path / "cache.sqlite"
        ).run(generation.texts_of(chunks(framework, 3)))
    assert generated.summary.n_judged == 6
    assert all(list(g.values()) == [2.0, 2.0] for g in generated.dataset.qrels.values())


@pytest.mark.parametrize("options", [{"base": object()}, {"judge": "x"}, {"llm": "gpt-4"}])
def test_an_object_that_is_no_model_is_refused_before_anything_is_asked(
    framework: Framework, options: dict[str, Any], path: Path
) -> None:
    generation = framework.generation
    with ChatServer() as server:
        arguments = {"llm": generation.llms["openai"](server), **options}
        told = rf"expected a {framework.label} .* model .*got (object|str)"
        with pytest.raises(TypeError, match=told):
            generation.generate(chunks(framework, 2), path=path, **arguments)
        assert server.asked.total() == 0


def test_an_id_of_two_texts_is_refused(framework: Framework) -> None:
    generation = framework.generation
    twice = [*generation.chunks({"x": "a"}), *generation.chunks({"x": "b"})]
    assert generation.texts_of(twice[:1] * 2) == {"x": "a"}
    with pytest.raises(InvalidDatasetError, match="'x' for two different texts"):
        generation.texts_of(twice)
