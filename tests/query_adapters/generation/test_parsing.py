"""No preamble, mark or thought becomes a question, and no question loses what is its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.generation import DEFAULT_PROMPT, parse_questions
from query_adapters.generation.prompts import build_prompt
from query_adapters.splits import normalise
from tests.servers.chat import SHAPES

TWO = ("What is 10-K about?", "How far is it?")
PREAMBLES = (
    "Here are two questions:",
    "Here are 2 questions based on the passage",
    "Here's what I came up with:",
    "Sure!",
    "Sure, here you go:",
    "Certainly! Below are the queries:",
    "Of course.",
    "Absolutely! I have written two questions for you.",
    "Okay, let me think about it.",
    "Great! I can help with that.",
    "Below are the search queries",
    "Based on the passage, these are the questions:",
    "The following questions can be answered with the passage",
    "These two questions are answered by the passage.",
    "I have generated two questions.",
    "Questions:",
    "**Questions:**",
    "## Questions",
    "Note: both are clear by themselves.",
    "As an AI language model, I have no opinion of my own.",
    "Would you like me to write more questions?",
    "I hope these are useful!",
    "Thank you for the passage.",
)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("unmarked", [False, True])
def test_two_questions_come_out_of_every_dress(shape: str, unmarked: bool) -> None:
    assert parse_questions(shape.format(*TWO), unmarked=unmarked) == TWO


@pytest.mark.parametrize("preamble", PREAMBLES)
@pytest.mark.parametrize("unmarked", [False, True])
@pytest.mark.parametrize("pattern", ["{p}\n{0}\n{1}", "{p}\n\n1. {0}\n2. {1}", "{0}\n{1}\n{p}"])
def test_what_is_said_around_them_is_no_question(
    preamble: str, unmarked: bool, pattern: str
) -> None:
    answer = pattern.format(*TWO, p=preamble)
    assert parse_questions(answer, unmarked=unmarked) == TWO


@pytest.mark.parametrize(
    "question",
    [
        "10-K filings: what do they hold?",
        "3 ways to get there?",
        "2023 revenue of Lyft?",
        "1.5 GHz or 2 GHz: which is faster?",
        "401(k) limits?",
        "5G coverage in Berlin?",
        "C. elegans genome size?",
        "Q4 results: what changed?",
        "What do **kwargs and *args do?",
        'What is the difference between "is" and "=="?',
        "Is `x` the same as `y`?",
        "What does the <p> tag do?",
        'What does ["a", "b"][0] give?',
        "I can't log in, what do I do?",
        "Can I get more than one card?",
    ],
)
@pytest.mark.parametrize("pattern", ["{}", "1. {}", "- {}", '["', "**Question 2:** {}", "“{}”"])
def test_what_belongs_to_a_question_stays(question: str, pattern: str) -> None:
    escaped = question.replace('"', '\\"')
    answer = f'["{escaped}"]' if pattern == '["' else pattern.format(question)
    assert parse_questions(answer) == (question,)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n ",
        "I'm sorry, but I can't help with that.",
        "I cannot generate questions about this passage.",
        "Unfortunately, the passage holds no information.",
        "None",
        "<think>What could I ask?",
        '["What is X?", "How do',
        '{"questions": []}',
        "[1, 2, 3]",
        "The passage is about revenue.",
        "A: It is so.",
    ],
)
def test_an_answer_without_questions_gives_none(answer: str) -> None:
    assert parse_questions(answer) == ()


def test_keywords_need_no_question_mark_where_they_are_asked_for() -> None:
    answer = "Sure! Here you go:\nlyft revenue 2021\nsure-fire growth\nlyft revenue 2021."
    assert parse_questions(answer, unmarked=True) == ("lyft revenue 2021", "sure-fire growth")
    assert parse_questions(answer) == ()
    assert parse_questions("- lyft revenue 2021\n- growth") == ("lyft revenue 2021", "growth")


def test_a_question_that_the_passage_holds_is_one_and_its_statements_are_not() -> None:
    passage = "How do I reset it?\nPress the button."
    answer = "How do I reset it?\nPress the button."
    assert parse_questions(answer, passage=passage, unmarked=True) == ("How do I reset it?",)


def test_thoughts_whose_beginning_the_template_ate_are_left_out() -> None:
    assert parse_questions("Is this one?\n</think>\nHow far?") == ("How far?",)


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="ab?: \n\t-*1.)(\"'[]{}`<>/think,Q*#\u2028\u200b\x00\ud800"),
        st.recursive(
            st.text() | st.integers() | st.none(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["questions"]), inner),
        ).map(repr),
        st.lists(st.sampled_from([*DEFAULT_PROMPT.splitlines(), "Is it so?"])).map("\n".join),
    ),
    st.booleans(),
)
def test_whatever_a_model_says_questions_are_single_lines_and_not_the_prompt(
    answer: str, unmarked: bool
) -> None:
    prompt = build_prompt(
        DEFAULT_PROMPT, "", n_questions=2, style="factual", examples=["Is it so?"]
    )
    questions = parse_questions(answer, instructions=prompt, unmarked=unmarked)
    own = {normalise(line) for line in prompt.splitlines()}
    for question in questions:
        assert question == question.strip() != ""
        assert len(question.splitlines()) == 1
        assert normalise(question) not in own
        question.encode()
    assert len({normalise(question) for question in questions}) == len(questions)
