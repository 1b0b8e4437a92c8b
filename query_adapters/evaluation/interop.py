"""Convert runs and qrels for other evaluation libraries, if installed."""

from typing import Any

from query_adapters.evaluation.trec import scored
from query_adapters.typing import Qrels, Run


def to_ir_measures(run: Run, qrels: Qrels) -> tuple[list[Any], list[Any]]:
    """Return lists of `ir_measures.ScoredDoc` and `ir_measures.Qrel`.

    Grades are rounded down, because ir_measures accepts integers only.

    Raises:
        ModuleNotFoundError: If ir_measures is not installed.
    """
    from ir_measures import Qrel, ScoredDoc

    documents = [
        ScoredDoc(query, document, score)
        for query, ranking in scored(run).items()
        for document, score in ranking.items()
    ]
    judgements = [
        Qrel(query, document, int(grade))
        for query, grades in qrels.items()
        for document, grade in grades.items()
    ]
    return documents, judgements


def to_ranx(run: Run, qrels: Qrels, *, name: str | None = None) -> tuple[Any, Any]:
    """Return a `ranx.Run` and `ranx.Qrels`.

    Queries without retrieved documents are missing from the run; `ranx.evaluate` accepts them with
    `make_comparable=True`. Grades are rounded down, because ranx accepts integers only.

    Args:
        run: Retrieved ids, best first.
        qrels: Judgements.
        name: Name of the run.

    Raises:
        ModuleNotFoundError: If ranx is not installed.
    """
    import ranx

    grades = {q: {d: int(grade) for d, grade in judged.items()} for q, judged in qrels.items()}
    return ranx.Run(scored(run), name=name), ranx.Qrels(grades)


def from_ranx(run: Any) -> dict[str, list[str]]:
    """Return a `ranx.Run` as retrieved ids, best first; ties by descending id."""
    return {
        query: sorted(ranking, key=lambda document: (ranking[document], document), reverse=True)
        for query, ranking in run.to_dict().items()
    }
