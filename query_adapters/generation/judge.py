"""A language model that grades further chunks as relevant to a question."""

import json
import re
from collections.abc import Sequence

from query_adapters.generation.calls import Request
from query_adapters.generation.journal import Key
from query_adapters.generation.prompts import digest
from query_adapters.generation.quality import Question
from query_adapters.typing import Texts

FULL, PARTLY = 2.0, 1.0  # grades; the question's own chunk has the first

PROMPT = """\
Which of these passages answer the query? Judge each by itself.

Query: {query}

{passages}

Answer with one JSON object and nothing else: the numbers of the passages that answer the query, \
each with 2 if it answers all of it or 1 if it answers a part. Leave out the others; {{}} if none.
"""


def judge_request(
    question: Question, candidates: Sequence[str], corpus: Texts, *, model_name: str
) -> Request[dict[str, float]]:
    """Return the request to grade these chunks; its value is `{chunk id: 1 or 2}`."""
    passages = "\n\n".join(f"[{n}] {corpus[c]}" for n, c in enumerate(candidates, start=1))
    prompt = PROMPT.format(query=question.text, passages=passages)
    own = question.chunks[0]
    key = Key(own, digest(corpus[own]), digest(model_name, prompt))

    def read(answer: str) -> tuple[dict[str, float], str]:
        return read_grades(answer, candidates)

    return Request(key=key, prompt=prompt, read=read)


def read_grades(answer: str, candidates: Sequence[str]) -> tuple[dict[str, float], str]:
    """Return the grades in a judge's answer, and its problem."""
    match = re.search(r"\{[^{}]*\}", answer.rpartition("</think>")[2])
    try:
        grades = {int(number): float(grade) for number, grade in json.loads(match[0]).items()}  # type: ignore[index]
    except (TypeError, ValueError, OverflowError, RecursionError):
        return {}, "expected a JSON object of passage numbers and grades"
    if not all(1 <= number <= len(candidates) for number in grades):
        return {}, f"expected passage numbers from 1 to {len(candidates)}"
    if not set(grades.values()) <= {0.0, PARTLY, FULL}:
        return {}, "expected the grades 1 and 2"
    return {candidates[number - 1]: grade for number, grade in grades.items() if grade}, ""
