"""Parse the questions in a language model's answer."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from query_adapters.data.splits import normalise

THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
END_OF_THOUGHT = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
TAG = re.compile(
    r"^[ \t]*<(?:questions?|quer(?:y|ies)|q|li)\b[^<>]*>|</(?:questions?|quer(?:y|ies)|q|li)>",
    re.I | re.M,
)
BROKEN_JSON = re.compile(r"\s*(?:[\[{]\s*(?:[\"'\[{]|$)|<)")
FENCE = re.compile(r"^\s*(```|~~~)")
INNER_MARK = re.compile(r"(?<=[?？])\s+(?=\(?\d{1,2}[.)]\s|[-*•]\s|(?:Q|Question )\d{1,2}\s*[:.)])")
BULLET = re.compile(r"(?:[-*+•‣▪◦●–—>]|#{1,6})\s+")
NUMBER = re.compile(r"\(?#?\d{1,3}\s*[.):\]](?:\s+|$)|\[\d{1,3}\]\s*|\(?[a-h]\)\s+")
LABEL = re.compile(
    r"(?:(?:search )?quer(?:y|ies)|questions?|q)\s*#?\d{0,3}(?:\s*(?:of|/)\s*\d+)?"
    r"(?:\s*\([^()]*\))?\s*(?::\s*|[.)\]]\s+|[.)\]]$|\s[-–—]\s+|$)",
    re.IGNORECASE,
)
BOLD = re.compile(r"(\*\*|__)(.+?)\1(.*)")
ANSWER = re.compile(r"(?:answers?|ans|a)\s*\d{0,3}\s*:", re.IGNORECASE)
LEAD_IN = re.compile(
    r"(?:sure|certainly|of course|absolutely|okay|ok|here(?:['’]s| is| are)|below (?:is|are)|"
    r"the following)\b[^?？]*?:\s*(?=\S)",
    re.IGNORECASE,
)
PASSAGE = r"(?:passage|text|document|context|chunk|excerpt|information|content|article)"
ASKED = r"(?:questions?|queries)"
REFUSED = (
    r"i (?:cannot|can['’]?t|can not|could not|couldn['’]t|am unable to|['’]?m unable to|won['’]t|"
    r"will not|must decline(?: to)?|am not able to)"
)
NO_QUESTION = re.compile(  # at any position
    rf"(?:(?:i['’]m |i am )?(?:very |so )?sorry\b\W*(?:but )?|unfortunately\W+)?{REFUSED}"
    rf"(?:\W*$| (?:help|assist)(?: you)?(?: with\b[^?？]*)?\W*$| (?:comply|fulfill)\b[^?？]*$|"
    rf" (?:provide|generate|create|write|answer|produce|formulate)(?: \w+){{0,3}} {ASKED}"
    rf"(?:[,.!]| (?:about|from|for|based|on|without|as|because|regarding|with)\b|$)[^?？]*$|\W*$)|"
    rf"i (?:don['’]t|do not|cannot|can['’]?t) (?:have|see) (?:any|enough|a|an|the) "
    rf"(?:\w+ )?(?:passage|excerpt)\b[^?？]*$|"
    rf"i (?:don['’]t|do not) (?:have|see) (?:any|enough) (?:\w+ )?{PASSAGE}\b[^?？]*$|"
    r"(?:i['’]m |i am )?(?:very |so )?sorry(?:\W*$| for (?:the|any|my)\b[^?？]*$)|"
    rf"(?:(?:i['’]m |i am )?(?:very |so )?sorry\b|unfortunately,)[^?？]*\b{PASSAGE}\b[^?？]*$|"
    r"as an? (?:ai|(?:large )?language)(?: language)? (?:model|assistant)\b|"
    r"an earlier answer was of no use\b|note:|"
    r"(?:n/?a|none|null|no questions?|\[?end\]?|eof)\W*$",
    re.IGNORECASE,
)
CHAT = re.compile(  # before the first question and after the last
    r"(?:sure|certainly|of course|absolutely|okay|ok|great|no problem|understood)"
    r"\s*[,!.:][^?？]*$|here you go\b|"
    rf"(?:here(?:['’]s| is| are)|below (?:is|are))\b[^?？]*"
    rf"\b(?:{ASKED}|{PASSAGE}|ones|list|what i)\b|"
    rf"(?:these|the (?:following|above|generated)|both|all)(?: \w+){{0,2}} {ASKED}\b[^?？]*"
    rf"\b(?:{PASSAGE}|answer\w*|above|below|cover|based|clear)\b[^?？]*$|"
    rf"(?:would you like|do you want|do you need|(?:shall|should|may|can) i)\b[^?？]*"
    rf"\b(?:more|additional|other|further) (?:{ASKED}|ones)\W*$|"
    r"(?:would you like|do you want|do you need) me to (?:write|generate|create|provide|add|make|"
    r"rephrase|adjust|refine|change)\b|"
    r"(?:can|may|shall) i help(?: you)?\b[^?？]*\belse\W*$|"
    r"(?:is there )?anything else(?:\W*$|\b.*\b(?:you need|you(?:['’]d| would) like|"
    r"i can (?:help|assist|do for you))\b)|"
    rf"let me know(?:\W*$| (?:if|whether)\b.*\b(?:you|these|this|{ASKED}|help)\b)|"
    r"(?:(?:i|we) )?hope (?:this|these|that|they|it|you)\b[^?？]*\b(?:help\w*|useful|suit\w*|"
    rf"meet|serve|find|good|what you|{ASKED})\b[^?？]*$|"
    r"feel free to (?:ask|let|adjust|use|modify|change|reach|edit)\b|note that\b[^?？]*$|"
    rf"(?:thank you|thanks)(?:\W*$|[!,.][^?？]*$| (?:so much|very much|again)\b[^?？]*$|"
    rf" for (?:(?:the|your|this|providing|sharing) ){{1,2}}(?:\w+ )?(?:{PASSAGE}|request|patience|"
    r"input)\b[^?？]*$)|"
    rf"(?:based on|according to|given|using) (?:the|this|your)(?: \w+){{0,2}} {PASSAGE}\b"
    rf"[^?？]*\b{ASKED}\b[^?？]*$|"
    rf"(?:i have|i['’]ve|i) (?:generated|created|written|prepared)(?: \w+){{0,3}} {ASKED}"
    r"(?:\W*$| (?:based|from|about|for|on|that (?:can|are)|which)\b[^?？]*$)",
    re.IGNORECASE,
)
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "`": "`", "「": "」"}
ASKS = ("?", "？", "؟", "⁇", "‽")


def parse_questions(
    answer: str, *, instructions: str = "", passage: str = "", unmarked: bool = False
) -> tuple[str, ...]:
    r"""Return the questions in a model's answer: single lines, trimmed, without repetition.

    JSON (a list of strings or objects, or an object with such a list) is parsed. In other text, a
    line is a question if it has a list marker or ends with a question mark; if any line has a list
    marker, only such lines count. Reasoning, code fences, markers, quotes, preambles, refusals and
    closing remarks are removed. A number at the start of a question is kept.

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
    text = THOUGHT.sub("", answer)
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
    decoder, position = json.JSONDecoder(), 0
    while match := re.compile(r"^[ \t`]*(?:json)?[ \t]*(?=[\[{])", re.MULTILINE).search(
        text, position
    ):
        try:
            value, end = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            position = match.end() + 1
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
