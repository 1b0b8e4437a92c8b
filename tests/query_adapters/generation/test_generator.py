"""Test that every chunk gets questions or a reported failure, and no request is repeated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.data.splits import normalise
from query_adapters.errors import GenerationError, InvalidDatasetError
from query_adapters.generation import (
    DEFAULT_PROMPT,
    STYLES,
    CallOptions,
    Checks,
    Prices,
    QuestionGenerator,
)
from query_adapters.generation.judge import read_grades
from query_adapters.generation.prompts import build_prompt, examples_for

QUICK = CallOptions(backoff=0.0, concurrency=3)


def generator(llm: Any, **settings: Any) -> QuestionGenerator:
    return QuestionGenerator(llm=llm, **({"options": QUICK} | settings))


def by_chunk(generated: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for query, grades in generated.dataset.qrels.items():
        for chunk in grades:
            found.setdefault(chunk, []).append(generated.dataset.queries[query])
    return found


def test_each_chunk_has_its_own_questions_and_the_same_ids_on_every_run(
    make_writer: Callable[..., Any], chunks: dict[str, str]
) -> None:
    first, second = (generator(make_writer()).run(chunks) for _ in range(2))
    assert by_chunk(first) == {
        f"c{i}": [f"What is marker-{i}?", f"How is marker-{i} done?"] for i in range(6)
    }
    assert dict(first.dataset.corpus) == chunks
    assert list(first.dataset.queries) == list(second.dataset.queries)
    reordered = generator(make_writer()).run(dict(reversed(chunks.items())))
    assert dict(reordered.dataset.queries) == dict(first.dataset.queries)


def test_a_wrong_count_is_asked_for_again_and_then_reported(
    make_writer: Callable[..., Any], chunks: dict[str, str]
) -> None:
    writer = make_writer(
        {
            "marker-0": ["Here you are:"],
            "marker-1": ["1. Only one?"] * 9,
            "marker-2": ["I'm sorry."] * 9,
            "marker-3": ["- One?\n- Two?\n- Three?"],
            "marker-4": ["Twice?\ntwice"],
        }
    )
    generated = generator(writer).run(chunks)
    found = by_chunk(generated)
    assert found["c0"] == ["What is marker-0?", "How is marker-0 done?"]
    assert found["c1"] == ["Only one?"]
    assert found["c3"] == ["One?", "Two?"]
    assert found["c4"] == ["What is marker-4?", "How is marker-4 done?"]
    assert generated.summary.short == {"c1": "expected 2 questions, got 1"}
    assert generated.failures == {"c2": "expected 2 questions, got 0"}
    assert writer.asked == {f"marker-{i}": n for i, n in enumerate([2, 3, 3, 1, 2, 1])}
    repeats = [prompt for prompt in writer.prompts if "An earlier answer was of no use" in prompt]
    assert len(repeats) == 6


def test_a_second_run_pays_for_nothing_and_a_longer_corpus_only_for_what_is_new(
    make_writer: Callable[..., Any], chunks: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    first = generator(make_writer({"marker-1": [""]}), journal=path).run(chunks)
    again, more = make_writer(), make_writer()
    assert generator(again, journal=path).run(chunks).dataset == first.dataset
    assert again.prompts == []
    longer = {"new": "marker-new", **chunks, "c0": "This is about marker-0 no more."}
    generator(more, journal=path).run(longer)
    assert set(more.asked) == {"marker-new", "marker-0"}


def test_another_model_prompt_style_or_count_is_another_question(
    make_writer: Callable[..., Any], chunks: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    variants: list[dict[str, Any]] = [
        {},
        {"styles": []},
        {"n_questions": 1},
        {"examples": ["how far"]},
        {"prompt": "Ask about {context_str}"},
    ]
    for settings in variants:
        writer = make_writer()
        generator(writer, journal=path, **settings).run(chunks)
        assert len(writer.prompts) == 6, settings
    other = make_writer(model_name="other")
    generator(other, journal=path).run(chunks)
    assert len(other.prompts) == 6


def test_a_journal_of_another_corpus_is_refused_before_anything_is_paid_for(
    make_writer: Callable[..., Any], chunks: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    generator(make_writer(), journal=path).run(chunks)
    content, writer = path.read_bytes(), make_writer()
    other = generator(writer, journal=path)
    for ask in (other.run, other.plan):
        with pytest.raises(InvalidDatasetError, match="name another"):
            ask({"c0": "marker-0, but other words"})
    assert writer.prompts == []
    assert path.read_bytes() == content


def test_a_plan_asks_for_nothing_and_says_what_a_run_would_cost(
    make_writer: Callable[..., Any], chunks: dict[str, str], tmp_path: Path
) -> None:
    path, writer = tmp_path / "journal.jsonl", make_writer()
    settings = {"journal": path, "prompt": "{context_str}", "prices": Prices(2.0, 10.0)}
    plan = generator(writer, **settings).plan(chunks)
    assert (plan.n_calls, plan.n_known, plan.n_chunks) == (6, 0, 6)
    assert plan.prompt_tokens == 6 * 9  # each prompt has 34 characters
    assert plan.answer_tokens == 6 * 2 * 25
    assert plan.cost == pytest.approx((54 * 2 + 300 * 10) / 1e6)
    assert "6 calls to scripted for 6 chunks (0 answered already): about 54 prompt" in str(plan)
    assert "4 characters a token" in str(plan)
    assert writer.prompts == []
    assert not path.exists()
    generator(writer, **settings).run(dict(list(chunks.items())[:4]))
    assert generator(writer, **settings).plan(chunks).n_calls == 2
    assert generator(writer).plan(chunks).cost is None
    assert "price" not in str(generator(writer).plan(chunks))


def test_prices_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 on"):
        Prices(-1, 0)


def test_chunks_of_equal_text_are_asked_about_once_and_answer_alike(
    make_writer: Callable[..., Any],
) -> None:
    writer = make_writer()
    generated = generator(writer).run({"a": "marker-1", "b": "marker-2", "c": "marker-1", "d": " "})
    assert len(writer.prompts) == 2
    assert by_chunk(generated)["a"] == by_chunk(generated)["c"]
    assert generated.failures == {"d": "it has no text"}
    assert "d" not in generated.dataset.corpus


def test_a_question_about_two_chunks_is_one_question_with_two_answers(
    make_writer: Callable[..., Any],
) -> None:
    writer = make_writer({"marker-1": ["What is it?\nHow far?"], "marker-2": ["what is it\nWho?"]})
    generated = generator(writer, styles=["typos"]).run({"a": "marker-1", "b": "marker-2"})
    assert by_chunk(generated) == {"a": ["What is it?", "How far?"], "b": ["What is it?", "Who?"]}
    assert generated.summary.dropped == {"repeated": 1}


def test_nothing_at_all_is_an_error_that_says_why(make_writer: Callable[..., Any]) -> None:
    with pytest.raises(GenerationError, match="'a': expected 2 questions, got 0"):
        generator(make_writer({"marker-1": [""] * 3})).run({"a": "marker-1"})
    with pytest.raises(GenerationError, match="no chunks were given"):
        generator(make_writer()).run({})


def test_styles_are_assigned_by_the_text_and_named_in_the_prompt(
    make_writer: Callable[..., Any],
) -> None:
    chunks = {f"c{i}": f"This is about marker-{i}." for i in range(100)}
    writer = make_writer()
    generated = generator(writer).run(chunks)
    counts = {name: sum(text in p for p in writer.prompts) for name, text in STYLES.items()}
    assert sum(counts.values()) == 100
    assert min(counts.values()) >= 8
    assert generated.summary.styles == {name: 2 * n for name, n in counts.items()}
    plain = make_writer()
    generator(plain, prompt="{context_str}").run(chunks)
    assert sorted(plain.prompts) == sorted(chunks.values())


def test_examples_are_few_in_a_prompt_and_never_come_back_as_questions(
    make_writer: Callable[..., Any], chunks: dict[str, str]
) -> None:
    examples = [f"example {i}" for i in range(20)]
    writer = make_writer({"marker-0": ["\n".join(f"1. {e}" for e in examples)] * 3})
    generated = generator(writer, examples=examples).run(chunks)
    assert all(prompt.count("- example") == 8 for prompt in writer.prompts)
    shown = {normalise(e) for e in examples_for(examples, chunks["c0"])}
    assert not shown & {normalise(q) for q in generated.dataset.queries.values()}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_questions": 0}, "n_questions: expected at least 1"),
        ({"prompt": "no field"}, "expected {context_str}"),
        ({"prompt": "{context_str} {other}"}, "'other'"),
        ({"prompt": '{context_str} {"a": 1}'}, "double the braces"),
        ({"prompt": "{context_str} {"}, "double the braces"),
        ({"styles": ["rude"]}, "styles: expected names"),
        ({"styles": "factual"}, "styles: expected names"),
        ({"checks": Checks(similar_above=0.9)}, "pass the embedder too"),
        ({"checks": Checks(answerable_within=1)}, "pass the embedder too"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    settings: dict[str, Any], message: str, make_writer: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match=message):
        generator(make_writer(), **settings)


def test_what_cannot_embed_questions_is_refused(make_writer: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="embedder: expected a TextEmbedder, got object"):
        generator(make_writer(), embedder=object())


@pytest.mark.parametrize("checks", [{"answerable_within": 0}, {"similar_above": 1.1}])
def test_checks_out_of_range_are_refused(checks: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Checks(**checks)


def test_braces_in_a_passage_are_text() -> None:
    passage = "{num_questions_per_chunk} {} {x!r}"
    assert passage in build_prompt(DEFAULT_PROMPT, passage, n_questions=2)
    template = 'Say {{"n": {num_questions_per_chunk}}}: {context_str}'
    assert build_prompt(template, "x", n_questions=3) == 'Say {"n": 3}: x'


def axes(n: int) -> list[Any]:
    return list(np.eye(n, dtype=np.float32))


def test_a_question_is_kept_if_its_chunk_is_in_the_top_k_and_reported_if_none_is(
    make_writer: Callable[..., Any], make_embedder: Callable[..., Any]
) -> None:
    chunks = {"a": "marker-1", "b": "marker-2"}
    x, y = axes(2)
    vectors = {
        "marker-1": x,
        "marker-2": y,
        "What is marker-1?": x + 0.1 * y,
        "How is marker-1 done?": y,
        "What is marker-2?": x,
        "How is marker-2 done?": x,
    }
    embedder = make_embedder(dim=2, vectors=vectors)
    kept = generator(make_writer(), embedder=embedder, checks=Checks(answerable_within=1))
    generated = kept.run(chunks)
    assert by_chunk(generated) == {"a": ["What is marker-1?"]}
    assert generated.failures == {"b": "none of its questions was kept"}
    assert generated.summary.dropped == {"repeated": 0, "own chunk not in the base's top 1": 3}
    assert len(generator(make_writer(), embedder=embedder).run(chunks).dataset.queries) == 4


def test_of_questions_that_are_nearly_the_same_the_first_is_kept(
    make_writer: Callable[..., Any], make_embedder: Callable[..., Any]
) -> None:
    x, y = axes(2)
    vectors = {"What is marker-1?": x, "How is marker-1 done?": 3 * x + 0.1 * y}
    vectors |= {"What is marker-2?": y, "How is marker-2 done?": x + y}
    embedder = make_embedder(dim=2, vectors=vectors)
    checks = Checks(similar_above=0.95, answerable_within=None)
    generated = generator(make_writer(), embedder=embedder, checks=checks).run(
        {"a": "marker-1", "b": "marker-2"}
    )
    assert by_chunk(generated) == {
        "a": ["What is marker-1?"],
        "b": ["What is marker-2?", "How is marker-2 done?"],
    }
    assert generated.summary.dropped["similar"] == 1


def test_a_judge_adds_graded_chunks_and_is_paid_once(
    make_writer: Callable[..., Any], make_embedder: Callable[..., Any], tmp_path: Path
) -> None:
    class Judge:
        model_name = "judge"
        n_asked = 0

        async def complete(self, prompt: str) -> str:
            self.n_asked += 1
            query = prompt.partition("Query: ")[2].partition("\n")[0]
            if "marker-2" in query:
                return "I would say 1 and 2."
            number = 1 if "[1] marker-2" in prompt else 2
            return f'Here: {{"{number}": {2 if "What" in query else 1}}}'

    chunks = {"a": "marker-1", "b": "marker-2", "c": "marker-3"}
    writer = make_writer({"marker-3": [""] * 3})

    def run(judge: Judge) -> Any:
        return generator(
            writer,
            embedder=make_embedder(),
            checks=Checks(judge=judge),
            journal=tmp_path / "journal.jsonl",
        ).run(chunks)

    judge, again = Judge(), Judge()
    generated = run(judge)
    grades = {generated.dataset.queries[q]: dict(g) for q, g in generated.dataset.qrels.items()}
    assert grades == {
        "What is marker-1?": {"a": 2.0, "b": 2.0},
        "How is marker-1 done?": {"a": 2.0, "b": 1.0},
        "What is marker-2?": {"b": 2.0},
        "How is marker-2 done?": {"b": 2.0},
    }
    assert generated.summary.n_judged == 2
    assert list(generated.failures) == ["c"]
    assert judge.n_asked == 2 + 2 * 3
    assert run(again).dataset == generated.dataset
    assert again.n_asked == 0


@pytest.mark.parametrize(
    ("answer", "grades"),
    [
        ('{"1": 2, "2": 0}', {"a": 2.0}),
        ("<think>{1}</think>```json\n{}\n```", {}),
        ("none", None),
        ('{"3": 1}', None),
        ('{"1": 5}', None),
        ('{"one": 1}', None),
    ],
)
def test_a_judges_answer_is_read_strictly(answer: str, grades: dict[str, float] | None) -> None:
    found, problem = read_grades(answer, ["a", "b"])
    assert (found, bool(problem)) == (grades or {}, grades is None)


def test_the_two_sides_share_no_source(make_writer: Callable[..., Any]) -> None:
    chunks = {f"c{i}": f"marker-{i}" for i in range(20)}
    sources = {chunk: f"file {i // 4}" for i, chunk in enumerate(chunks)}
    generated = generator(make_writer()).run(chunks)
    training, validation = generated.split(held_out=0.4, sources=sources)
    sides = [
        {sources[c] for grades in side.qrels.values() for c in grades}
        for side in (training, validation)
    ]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 5
    assert len(training.queries) + len(validation.queries) == 40


def test_the_summary_is_a_page_that_says_it_all(
    make_writer: Callable[..., Any], chunks: dict[str, str]
) -> None:
    chunks = {f"c{i}": f"This is about marker-{i}." for i in range(9)}
    writer = make_writer({f"marker-{i}": [""] * 3 for i in range(6)})
    generated = generator(writer, prices=Prices(1.0, 1.0), styles=["factual"]).run(chunks)
    page = str(generated.summary)
    assert page.startswith("6 questions about 3 of 9 chunks, by scripted")
    assert "styles     factual 6" in page
    assert "overlap    68% of a question's words" in page  # 3 of 4 words, and 3 of 5
    assert "failed     6 chunks" in page
    assert "c4: expected 2 questions, got 0" in page
    assert "and 1 more" in page
    assert f"paid for   {len(writer.prompts)} answers" in page
    assert generated.summary.cost == pytest.approx(generated.summary.tokens / 1e6)
    assert len(page.splitlines()) <= 40
