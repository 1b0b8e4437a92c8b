"""Test that parsing removes preambles, markup and reasoning but keeps questions unchanged."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.data.splits import normalise
from query_adapters.generation import DEFAULT_PROMPT, parse_questions
from query_adapters.generation.judge import read_grades
from query_adapters.generation.prompts import build_prompt
from tests.servers.chat import SHAPES

REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I can't help with that.",
    "I cannot assist with this request.",
    "I cannot generate questions about this passage.",
    "I'm sorry, I am unable to answer questions about this document.",
    "I don't have enough context to write questions.",
    "I'm sorry, the text is empty.",
    "Unfortunately, the passage holds no information.",
    "As an AI assistant, I must decline.",
    "Sorry.",
    "I cannot.",
)
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


REAL = (
    "i cant see my invoices in the portal",
    "I can't create a new workspace, what now",
    "Given two queries, which one does PostgreSQL plan first?",
    "According to the document, which queries are slow?",
    "All slow queries are logged where?",
    "Thanks giving menu ideas",
    "thank you letter after interview",
    "I created a workspace and it is gone",
    "I don't have access to billing",
    "sorry we could not verify your account",
    "Unfortunately, my card was declined, what now?",
    "Here is my invoice, why is it wrong?",
    "Do you need me to sign the form?",
    "Can I run more queries in parallel?",
    "Anything else I need to bring to the appointment?",
    "let me know when my parcel ships",
    "I hope to get a refund, how long does it take?",
    "As an AI engineer what do I earn?",
    "feel free app subscription cost",
    "using saved queries in reports",
)


@pytest.mark.parametrize("question", REAL)
@pytest.mark.parametrize("pattern", ["{q}\n{0}\n{1}", "{0}\n{q}\n{1}", "{0}\n{1}\n{q}", "{q}"])
@pytest.mark.parametrize("mark", ["", "- ", "Question: "])
def test_a_question_that_sounds_like_chat_stays(question: str, pattern: str, mark: str) -> None:
    marked = [f"{mark}{text}" for text in (*TWO, question)]
    answer = pattern.format(*marked[:2], q=marked[2])
    expected = {question, *TWO} if "{0}" in pattern else {question}
    assert set(parse_questions(answer, unmarked=True)) == expected
    assert parse_questions(json.dumps([question])) == (question,)


@pytest.mark.parametrize("chat", ["Note that both differ", "Certainly, two of them", "Thanks!"])
def test_what_chat_says_is_a_question_where_a_list_or_other_questions_hold_it(chat: str) -> None:
    assert parse_questions(f"a\n{chat}\nb", unmarked=True) == ("a", chat, "b")
    assert parse_questions(f"1. a\n2. {chat}") == ("a", chat)
    assert parse_questions(f"a\n{chat}\n{chat}", unmarked=True) == ("a",)
    assert parse_questions(f"### {chat}\na\nb", unmarked=True) == ("a", "b")


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


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("pattern", ["{}", "1. {}", "Sure!\n{}", "{}\nThank you."])
@pytest.mark.parametrize("unmarked", [False, True])
def test_a_refusal_is_no_question(refusal: str, pattern: str, unmarked: bool) -> None:
    assert parse_questions(pattern.format(refusal), unmarked=unmarked) == ()


def test_keywords_need_no_question_mark_where_they_are_asked_for() -> None:
    answer = "Sure! Here you go:\nlyft revenue 2021\nsure-fire growth\nlyft revenue 2021."
    assert parse_questions(answer, unmarked=True) == ("lyft revenue 2021", "sure-fire growth")
    assert parse_questions(answer) == ()
    assert parse_questions("- lyft revenue 2021\n- growth") == ("lyft revenue 2021", "growth")


def test_a_question_that_the_passage_holds_is_one_and_its_statements_are_not() -> None:
    passage = "How do I reset it?\nPress the button."
    answer = "How do I reset it?\nPress the button."
    assert parse_questions(answer, passage=passage, unmarked=True) == ("How do I reset it?",)


@pytest.mark.parametrize("piece", [" ", "\t", "` ", "[\n", '[["a?"],\n', "{\n", "here is ", "**"])
def test_no_answer_takes_long_to_read(piece: str) -> None:
    start = time.process_time()
    parse_questions(f"{piece * 60_000}\na?", unmarked=True)
    read_grades(f'{{"1": {"[" * 200_000}}}', ["a"])
    assert time.process_time() - start < 10


def test_thoughts_whose_beginning_the_template_ate_are_left_out() -> None:
    assert parse_questions("Is this one?\n</think>\nHow far?") == ("How far?",)


@pytest.mark.slow
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
