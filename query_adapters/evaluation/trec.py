"""Read and write runs and qrels in TREC's file formats.

run      question Q0 document rank score tag
qrels    question 0 document grade
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

from query_adapters.data.lines import read_lines
from query_adapters.errors import InvalidDatasetError
from query_adapters.files.atomic import replace_file
from query_adapters.typing import Qrels, Run, ScoredRun

DEFAULT_TAG = "query_adapters"


def ranked(run: Run | ScoredRun) -> dict[str, Sequence[str]]:
    """Return the run as ids, best first; scored documents are ordered as in trec_eval.

    That is by descending score, ties by descending id.

    Raises:
        TypeError: If a query has a string instead of a list of ids.
    """
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
        InvalidDatasetError: If an id or the tag is empty or holds white space.
    """
    lines = (
        f"{_word(query)} Q0 {_word(document)} {place} {score:g} {_word(tag)}\n"
        for query, ranking in scored(run).items()
        for place, (document, score) in enumerate(ranking.items(), start=1)
    )
    return _write(path, lines)


def read_run(path: str | Path) -> dict[str, list[str]]:
    """Return the run in a file, ordered as trec_eval orders it: by score, ties by falling id.

    The ranks in the file are not looked at.

    Raises:
        InvalidDatasetError: If a line does not have six columns, or its score is no number.
    """
    found: dict[str, list[tuple[float, str]]] = {}
    for where, (query, _, document, _, score, _) in _rows(path, columns=6):
        found.setdefault(query, []).append((_number(where, score), document))
    return {
        query: [document for _, document in sorted(ranking, reverse=True)]
        for query, ranking in found.items()
    }


def write_qrels(qrels: Qrels, path: str | Path) -> Path:
    """Return the path of the judgements, written in UTF-8.

    Raises:
        InvalidDatasetError: If an id is empty or holds white space, or a grade is not a whole
            number, the only kind that trec_eval reads.
    """
    lines = (
        f"{_word(query)} 0 {_word(document)} {_whole(query, document, grade)}\n"
        for query, grades in qrels.items()
        for document, grade in grades.items()
    )
    return _write(path, lines)


def read_qrels(path: str | Path) -> dict[str, dict[str, float]]:
    """Return the judgements in a file that are above 0, by question.

    Raises:
        InvalidDatasetError: If a line does not have four columns, or its grade is no number.
    """
    found: dict[str, dict[str, float]] = {}
    for where, (query, _, document, text) in _rows(path, columns=4):
        grade = _number(where, text)
        if not isfinite(grade):
            raise InvalidDatasetError(f"{where}: expected a finite grade, got {text!r}")
        if grade > 0:
            found.setdefault(query, {})[document] = grade
    return found


def _ranking(query: str, found: Sequence[str] | Mapping[str, float]) -> Sequence[str]:
    if isinstance(found, str):
        raise TypeError(
            f"query {query!r}: expected retrieved ids, best first, or scores by id, got the text "
            f"{found!r}; put a single id in a list"
        )
    if not isinstance(found, Mapping):
        return found
    return sorted(found, key=lambda document: (found[document], document), reverse=True)


def _write(path: str | Path, lines: Iterable[str]) -> Path:
    return replace_file(path, (line.encode() for line in lines))


def _rows(path: str | Path, *, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the position and the columns of each non-blank line."""
    for place, line in read_lines(path):
        words = line.split()
        if words and len(words) != columns:
            raise InvalidDatasetError(
                f"{place}: expected {columns} columns, got {len(words)}; "
                "is it a file of the other kind?"
            )
        if words:
            yield place, words


def _number(where: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise InvalidDatasetError(f"{where}: expected a number, got {text!r}") from exc


def _word(text: str) -> str:
    if text.split() != [text]:
        raise InvalidDatasetError(
            f"expected an id without white space, which TREC's format parts columns by, got "
            f"{text!r}; rename it"
        )
    return text


def _whole(query: str, document: str, grade: float) -> int:
    if grade != int(grade):
        raise InvalidDatasetError(
            f"query {query!r}, document {document!r}: expected a whole grade, got {grade}; "
            "multiply all grades"
        )
    return int(grade)
