"""Parse the questions in a language model's answer."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from query_adapters.data.splits import normalise
from query_adapters.generation.answer_patterns import (
    ANSWER,
    ASKS,
    BOLD,
    BROKEN_JSON,
    BULLET,
    CHAT,
    END_OF_THOUGHT,
    FENCE,
    INNER_MARK,
    LABEL,
    LEAD_IN,
    NO_QUESTION,
    NUMBER,
    QUOTES,
    START_OF_JSON,
    TAG,
    THOUGHT,
)

LONGEST = 200_000  # characters of an answer that are read; the longest are half of that
MOST_FAILURES = 100  # places where JSON may begin and does not; each may be read to the end


def parse_questions(
    answer: str, *, instructions: str = "", passage: str = "", unmarked: bool = False
) -> tuple[str, ...]:
    r"""Return the questions in a model's answer: single lines, trimmed, without repetition.

    JSON (a list of strings or objects, or an object with such a list) is parsed. In other text, a
    line is a question if it has a list marker or ends with a question mark; if any line has a list
    marker, only such lines count. Reasoning, code fences, markers, quotes, preambles, refusals and
    closing remarks are removed. A number at the start of a question is kept. What follows the first
    200,000 characters is left out.

    Args:
        answer: The model's answer.
        instructions: The prompt without the passage; its lines are never questions.
        passage: The passage; its lines count only if they are questions themselves.
        unmarked: Whether a line without marker and question mark may be a question, such as
            keywords.

    Example:
        >>> parse_questions("Sure! Two questions:\n1. How far is it?\n2. 3 ways to get there?")
        ('How far is it?', '3 ways to get there?')
    """
    text = THOUGHT.sub("", answer[:LONGEST])
    text = TAG.sub("\n", END_OF_THOUGHT.sub("", text))
    found = list(_from_json(text)) or list(_from_lines(text, unmarked=unmarked))
    own = _own_words(instructions.splitlines())
    own |= _own_words(line for line in passage.splitlines() if not _asks(line.strip()))
    kept: dict[str, str] = {}
    for question in filter(_is_wording, found):
        kept.setdefault(normalise(question), question)
    return tuple(question for key, question in kept.items() if key not in own)


def _own_words(lines: Iterable[str]) -> set[str]:
    return {normalise(text) for line in lines for text in (_single_line(line), _bare(line)[0])}


def _from_json(text: str) -> Iterator[str]:
    for value in _json_values(text):
        for question in _questions_in(value):
            yield _bare(question)[0]


def _json_values(text: str) -> Iterator[Any]:
    """Yield JSON arrays and objects that start and end at line boundaries."""
    decoder, position, n_failed = json.JSONDecoder(), 0, 0
    while n_failed < MOST_FAILURES and (match := START_OF_JSON.search(text, position)):
        try:
            value, end = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            position, n_failed = match.end() + 1, n_failed + 1
            continue
        if re.compile(r"[ \t`,;]*$", re.MULTILINE).match(text, end):
            yield value
        position = end


def _questions_in(value: Any, *, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str) and depth:
        yield value
    elif isinstance(value, list) and depth < 4:
        for item in value:
            yield from _questions_in(item, depth=depth + 1)
    elif isinstance(value, dict) and depth < 4:
        for key, item in value.items():
            if re.match(
                r"(?:search_?)?(?:quer(?:y|ies)|questions?|q)[_ ]?(?:text)?\d*$", key, re.I
            ):
                yield from _questions_in(item, depth=depth + 1)


def _from_lines(text: str, *, unmarked: bool) -> Iterator[str]:
    lines = [_Line(raw) for raw in _raw_lines(text)]
    for before, line in pairwise(lines):
        line.has_mark |= before.is_number  # "Question 1:" on a separate line
    listed = any(line.has_mark and line.text for line in lines)
    found = [line for line in lines if (line.has_mark if listed else unmarked or _asks(line.text))]
    return (line.text for line in _without_chat(found))


def _without_chat(lines: list["_Line"]) -> list["_Line"]:
    """Return the lines without chat at the beginning and the end."""
    places = [place for place, line in enumerate(lines) if line.text and not line.is_chat]
    return lines[places[0] : places[-1] + 1] if places else []


class _Line:
    """A line without markup, whether it had a list marker, and whether it may be chat."""

    def __init__(self, raw: str) -> None:
        self.text, self.has_mark = _bare(raw)
        self.is_number = not self.text and any(character.isdigit() for character in raw)
        in_list = self.has_mark and raw.lstrip()[0] not in "#>"  # headings occur around lists
        self.is_chat = not in_list and CHAT.match(self.text) is not None
        self.has_mark &= not self.is_chat
        if _is_no_question(self.text):
            self.text, self.has_mark = "", False


def _raw_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip() and not (FENCE.match(line) or BROKEN_JSON.match(line)):
            yield from INNER_MARK.split(line)


def _bare(line: str) -> tuple[str, bool]:
    """Return the line without markers, emphasis and quotes, and whether it had a marker."""
    text, has_mark, before = _single_line(line), False, None
    while text != before:
        before = text
        text = LEAD_IN.sub("", text, count=1) if LEAD_IN.match(text) else text
        text = _unquoted(_plain(text))
        for mark in (BULLET, NUMBER, LABEL):
            if match := mark.match(text):
                text, has_mark = text[match.end() :].strip(), True
    return text, has_mark


def _plain(text: str) -> str:
    """Return the text without emphasis around all of it or around its marker."""
    if match := BOLD.match(text):
        inner, rest = match.group(2).strip(), match.group(3)
        if not rest or (rest[0] in " :" and _is_mark(inner + rest[:1].strip())):
            return (inner + rest).strip()
    if len(text) > 2 and text[0] == text[-1] in "*_" and text[0] not in text[1:-1]:
        return text[1:-1].strip()
    return text


def _is_mark(text: str) -> bool:
    return any(mark.fullmatch(text) for mark in (NUMBER, LABEL))


def _unquoted(text: str) -> str:
    quoted = text.rstrip(" ,;")
    end = QUOTES.get(quoted[:1])
    if end and len(quoted) > 2 and quoted.endswith(end) and end not in quoted[1:-1]:
        return quoted[1:-1].strip()
    return text


def _single_line(text: str) -> str:
    """Return the text on one line, without invisible and unencodable characters."""
    text = "".join(" " if c.isspace() else c for c in text if c.isspace() or _is_visible(c))
    return " ".join(text.split())


def _is_visible(character: str) -> bool:
    return (
        unicodedata.category(character) not in ("Cc", "Cs", "Cn")
        and character not in "\ufeff\u200b"
    )


def _is_wording(text: str) -> bool:
    return any(character.isalnum() for character in text) and not _is_no_question(text)


def _is_no_question(text: str) -> bool:
    return bool(NO_QUESTION.match(text) or ANSWER.match(text)) or text.endswith((":", "："))


def _asks(text: str) -> bool:
    return text.rstrip("\"'”’»)*_` ").endswith(ASKS)
