"""Read and write runs and qrels in TREC's file formats.

run      question Q0 document rank score tag
qrels    question 0 document grade
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite, isnan
from pathlib import Path

from query_adapters.data.lines import read_lines
from query_adapters.errors import InvalidDatasetError
from query_adapters.files.atomic import replace_file
from query_adapters.text.incoming import is_encodable
from query_adapters.text.shown import quoted
from query_adapters.typing import Qrels, Run, ScoredRun

DEFAULT_TAG = "query_adapters"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
RANK = re.compile(r"\d+", re.ASCII)
WORD = re.compile(r"[^ \t\n\v\f\r]+")  # as trec_eval parts columns; other spaces belong to an id


def ranked(run: Run | ScoredRun) -> dict[str, Sequence[str]]:
    """Return the run as ids, best first; scored documents are ordered as in trec_eval.

    That is by descending score, ties by descending id.

    Raises:
        InvalidDatasetError: If a score is not a number.
        TypeError: If the run is no mapping, or a query has a string instead of a list of ids.
    """
    _check_mapping(run, "a run")
    return {query: _ranking(query, found) for query, found in run.items()}


def scored(run: Run | ScoredRun) -> dict[str, dict[str, float]]:
    """Return the run with descending scores, as other evaluators expect.

    A repeated id counts once, at its first rank; queries without results are left out.
    """
    rankings = ((query, list(dict.fromkeys(ranking))) for query, ranking in ranked(run).items())
    return {
        query: {document: float(len(once) - place) for place, document in enumerate(once)}
        for query, once in rankings
        if once
    }


def write_run(run: Run | ScoredRun, path: str | Path, *, tag: str = DEFAULT_TAG) -> Path:
    """Write the run in UTF-8 and return its path.

    Args:
        run: Retrieved ids, best first, or their scores by id.
        path: The file; replaced if it is there.
        tag: Name of the system, in the last column.

    Raises:
        InvalidDatasetError: If an id or the tag is empty, or holds white space, a null character
            or a lone surrogate.
        TypeError: As in `ranked`.
    """
    lines = (
        f"{_word(query)} Q0 {_word(document)} {place} {score:g} {_word(tag)}\n"
        for query, ranking in scored(run).items()
        for place, (document, score) in enumerate(ranking.items(), start=1)
    )
    return _write(path, lines)


def read_run(path: str | Path) -> dict[str, list[str]]:
    """Return the run in a file, ordered as trec_eval orders it: by score, ties by falling id.

    The ranks in the file do not order it.

    Raises:
        InvalidDatasetError: If a line does not have six columns, its rank is not a whole number,
            its score is not a finite number, or its document was retrieved by an earlier line. The
            message names the line.
    """
    found: dict[str, dict[str, float]] = {}
    for where, (query, _, document, rank, score, _) in _rows(path, columns=6):
        if not RANK.fullmatch(rank):
            raise InvalidDatasetError(
                f"{where}: expected a whole number from 0 as the rank, got {quoted(rank)}; are the "
                "columns question, Q0, document, rank, score, tag?"
            )
        scores = found.setdefault(query, {})
        _check_once(where, query, document, scores)
        scores[document] = _number(where, score, "score")
    return {query: list(ranking) for query, ranking in ranked(found).items()}


def write_qrels(qrels: Qrels, path: str | Path) -> Path:
    """Return the path of the judgements, written in UTF-8.

    Raises:
        InvalidDatasetError: If an id is empty or holds white space, or a grade is not a whole
            number, the only kind that trec_eval reads.
        TypeError: If the judgements, or those of a query, are no mapping.
    """
    _check_mapping(qrels, "qrels")
    for query, grades in qrels.items():
        _check_mapping(grades, f"grades of query {quoted(query)}")
    lines = (
        f"{_word(query)} 0 {_word(document)} {_whole(query, document, grade)}\n"
        for query, grades in qrels.items()
        for document, grade in grades.items()
    )
    return _write(path, lines)


def read_qrels(path: str | Path) -> dict[str, dict[str, float]]:
    """Return the judgements in a file that are above 0, by question.

    Raises:
        InvalidDatasetError: If a line does not have four columns, its grade is not a finite number,
            or its document was judged by an earlier line. The message names the line.
    """
    found: dict[str, dict[str, float]] = {}
    for where, (query, _, document, text) in _rows(path, columns=4):
        grades = found.setdefault(query, {})
        _check_once(where, query, document, grades)
        grades[document] = _number(where, text, "grade")
    above = {
        query: {document: grade for document, grade in grades.items() if grade > 0}
        for query, grades in found.items()
    }
    return {query: grades for query, grades in above.items() if grades}


def _check_mapping(given: object, what: str) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(f"{what}: expected a mapping by id, got {quoted(given)}; use a dict")


def _ranking(query: str, found: Sequence[str] | Mapping[str, float]) -> Sequence[str]:
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise TypeError(
            f"query {quoted(query)}: expected retrieved ids, best first, or scores by id, got "
            f"{quoted(found)}; put a single id in a list"
        )
    if not isinstance(found, Mapping):
        return found
    wrong = [document for document, score in found.items() if not _is_a_number(score)]
    if wrong:
        raise InvalidDatasetError(
            f"query {quoted(query)}: expected numbers as scores, got "
            f"{quoted(found[wrong[0]])} for {quoted(wrong[0])}"
        )
    return sorted(found, key=lambda document: (found[document], document), reverse=True)


def _is_a_number(value: float) -> bool:
    try:
        return not isnan(value)
    except (OverflowError, TypeError):  # beyond floating point, or no number
        return False


def _write(path: str | Path, lines: Iterable[str]) -> Path:
    return replace_file(path, (line.encode() for line in lines))


def _rows(path: str | Path, *, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the position and the columns of each non-blank line."""
    for place, line in read_lines(path):
        words = WORD.findall(line)
        if words and len(words) != columns:
            raise InvalidDatasetError(
                f"{place}: expected {columns} columns, got {len(words)}; "
                "is it a file of the other kind?"
            )
        if words:
            yield place, words


def _check_once(where: str, query: str, document: str, seen: Mapping[str, float]) -> None:
    if document in seen:
        raise InvalidDatasetError(
            f"{where}: expected each document of a question once, got {quoted(document)} of "
            f"{quoted(query)} again; drop one of the lines"
        )


def _number(where: str, text: str, what: str) -> float:
    """Return the finite number that the text spells in ASCII digits."""
    if NUMBER.fullmatch(text) and isfinite(number := float(text)):
        return number
    is_word = text.lower().strip("+-") in ("nan", "inf", "infinity")
    expected = f"a finite {what}" if is_word or NUMBER.fullmatch(text) else "a number"
    raise InvalidDatasetError(
        f"{where}: expected {expected}, got {quoted(text)}; correct or drop the line"
    )


def _word(text: object) -> str:
    if (
        not isinstance(text, str)
        or text.split() != [text]
        or "\0" in text
        or not is_encodable(text)
    ):
        raise InvalidDatasetError(
            "expected a text as id, without white space, which TREC's format parts columns by, "
            f"null characters and lone surrogates, got {quoted(text)}; rename it"
        )
    return text


def _whole(query: str, document: str, grade: float) -> int:
    if not _is_a_number(grade) or not isfinite(grade) or grade != int(grade):
        raise InvalidDatasetError(
            f"query {quoted(query)}, document {quoted(document)}: expected a whole grade, got "
            f"{quoted(grade)}; multiply all grades"
        )
    return int(grade)
