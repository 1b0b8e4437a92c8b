"""A dataset from feedback: labels from clicks, ratings and citations, and what they rest on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback.clicks import ClickTable
from query_adapters.feedback.labels import (
    LEAST_LISTS,
    ClickLabels,
    Grades,
    evidence_weights,
    labels_from_citations,
    labels_from_clicks,
    labels_from_ratings,
    merged,
)
from query_adapters.feedback.log import DAY, FeedbackLog
from query_adapters.feedback.propensities import (
    FEWEST,
    Propensities,
    all_pairs,
    given_propensities,
)
from query_adapters.feedback.reading import FeedbackRecords
from query_adapters.feedback.records import ShownList
from query_adapters.feedback.result import FeedbackDataset
from query_adapters.text.incoming import is_encodable
from query_adapters.text.shown import listed, quoted
from query_adapters.typing import Texts

Feedback = FeedbackLog | FeedbackRecords | Iterable[ShownList]
"""A log, what was read from one, or shown lists with their events."""
PositionBias = Propensities | Sequence[float] | Literal["swaps"] | None
"""Propensities, "swaps" to estimate them by AllPairs, or None to choose an estimator."""


def dataset_from_feedback(
    feedback: Feedback,
    corpus: Texts | None = None,
    *,
    propensities: PositionBias = None,
    least_propensity: float = 0.05,
    min_probability: float = 0.5,
    min_citations: int = 1,
    best_rating: float | None = None,
    half_life_days: float | None = None,
    weigh_questions: bool = False,
    skip_strangers: bool = False,
) -> FeedbackDataset:
    """Return a dataset whose labels are what users clicked and rated, and answers cited.

    Equal questions are merged. Clicks are corrected for the rank at which a document was shown
    and for accidental ones (`labels_from_clicks`). A rating of a document outweighs clicks on it.

    What the labels cannot show: a document that was never shown gets no label, so a question whose
    answer the retriever does not find is left out.

    Args:
        feedback: A log, what was read from one, or shown lists.
        corpus: Document texts by id, for training without an index; by default ids stand for
            texts, for training on an index that holds them.
        propensities: How likely users look at each rank, relative to the first one: see
            `Propensities`. By default estimated from questions that recur (`ClickModel`), else
            from documents that were shown at several ranks (`all_pairs`). "swaps" for the latter:
            where ranks do not depend on the clicks that are counted, such as under two rankers
            side by side, it assumes less.
        least_propensity: Lowest propensity that is used, above 0, at most 1: it clips weights.
        min_probability: The least probability, 0..1, that clicks on a document mean that it is
            relevant; with less evidence it gets no label.
        min_citations: Answers that must cite a document, at least 1.
        best_rating: The best rating that can be given; by default the best one found.
        half_life_days: Age in days at which a list counts half, from the newest list on; None if
            all count alike.
        weigh_questions: Whether a question counts by its evidence (`evidence_weights`) in training
            and metrics; otherwise all count alike.
        skip_strangers: Whether to leave out feedback on documents that its list did not show,
            instead of raising an error.

    Raises:
        InvalidDatasetError: If no question has a label, feedback is on a document that was not
            shown, a propensity is not above 0 and at most 1, or they cannot be estimated.
        ValueError: If another argument is out of range.
    """
    _check(least_propensity, min_probability, min_citations, best_rating, half_life_days)
    usable, dropped = _read(feedback)
    lists = _of_shown(usable, dropped, skip=skip_strangers)
    weights = _weights(lists, half_life_days)
    clicks = ClickLabels()
    if any(event.kind == "clicked" for one in lists for event in one.events):
        table = ClickTable.of(lists, weights)
        clicks = labels_from_clicks(
            table,
            _positions(propensities, lists, table),
            least_propensity=least_propensity,
            min_probability=min_probability,
        )
    cited = labels_from_citations(lists, weights, min_citations=min_citations)
    rated, refused = labels_from_ratings(lists, weights, best=best_rating)
    grades = merged(clicks.grades, cited, rated, refused)
    questions = {one.key: one for one in reversed(lists)}  # the first wording is kept
    grades = _in_corpus(grades, corpus, dropped)
    if not grades:
        raise InvalidDatasetError(
            f"{len(lists)} shown lists about {len(questions)} questions: none has a label; "
            f"expected at least one: bring more feedback, or lower min_probability"
        )
    dropped |= dict(clicks.dropped)
    dropped["documents rated as not relevant"] = sum(map(len, refused.values()))
    dropped["questions without a label"] = len(questions) - len(grades)
    texts = {key: questions[key].question or key for key in grades}
    counts = evidence_weights(grades, clicks.evidence, lists, weights) if weigh_questions else {}
    return FeedbackDataset(
        dataset=RetrievalDataset(texts, corpus or _ids_of(grades), grades, counts),
        clicks=clicks,
        n_lists=len(lists),
        n_questions=len(questions),
        n_ratings=_count(lists, "rated"),
        n_citations=_count(lists, "cited"),
        dropped=dropped,
        unanswered=tuple(
            questions[key].question or key for key in clicks.unanswered if key not in grades
        ),
        vectors={
            key: one.vector
            for key, one in ((key, questions[key]) for key in grades)
            if one.question is None and one.vector is not None
        },
    )


def _read(feedback: Feedback) -> tuple[list[ShownList], dict[str, int]]:
    """Return the lists that can be learned from, and what was left out."""
    found = feedback.read() if isinstance(feedback, FeedbackLog) else feedback
    records = found if isinstance(found, FeedbackRecords) else FeedbackRecords(lists=tuple(found))
    lists = [one for one in records.lists if _is_usable(one)]
    whole = sum(e.kind == "rated" and e.document is None for one in lists for e in one.events)
    return lists, {
        "damaged lines": records.n_damaged,
        "events on lists that the log does not hold": records.n_orphans,
        "lists without a text or a vector of their question": len(records.lists) - len(lists),
        "ratings of whole lists, which do not say which document helped": whole,
    }


def _is_usable(one: ShownList) -> bool:
    if one.question is None:
        return one.vector is not None
    return bool(one.question.strip()) and is_encodable(one.question)


def _of_shown(
    lists: Sequence[ShownList], dropped: dict[str, int], *, skip: bool
) -> Sequence[ShownList]:
    """Return the lists without feedback on documents that they did not show; refuse it if asked."""
    named = [f"{quoted(key)} (list {one.id})" for one in lists for key in one.strangers]
    dropped["documents with feedback that their list did not show"] = len(named)
    if named and not skip:
        raise InvalidDatasetError(
            f"feedback on {len(named)} documents that their list did not show: {listed(named)}; "
            "correct the log, or leave them out with skip_strangers=True"
        )
    return [one.without_strangers() for one in lists] if named else lists


def _positions(
    given: PositionBias, lists: Sequence[ShownList], table: ClickTable
) -> Propensities | None:
    """Return the propensities; None if the click model has to fit them.

    Raises:
        InvalidDatasetError: If they cannot be estimated.
    """
    if given is not None and not isinstance(given, str):
        return given_propensities(given)
    n_recurring = sum(n >= LEAST_LISTS for n in Counter(one.key for one in lists).values())
    if given is None and n_recurring >= FEWEST:
        return None
    found = all_pairs(table)
    if found is None:
        raise InvalidDatasetError(
            f"propensities: expected {FEWEST} questions that were asked {LEAST_LISTS} times, or as "
            f"many documents at each rank that were also shown at another one, to estimate them; "
            f"{n_recurring} questions recur: give them, as Propensities.power_law(1.0, depth=10)"
        )
    return found


def _weights(lists: Sequence[ShownList], half_life_days: float | None) -> list[float]:
    if half_life_days is None:
        return [one.weight for one in lists]
    newest = max((one.time for one in lists), default=0.0)
    half_life = half_life_days * DAY
    return [one.weight * 0.5 ** ((newest - one.time) / half_life) for one in lists]


def _in_corpus(grades: Grades, corpus: Texts | None, dropped: dict[str, int]) -> Grades:
    if corpus is None:
        return grades
    known = {k: {d: g for d, g in found.items() if d in corpus} for k, found in grades.items()}
    missing = sum(map(len, grades.values())) - sum(map(len, known.values()))
    dropped["labels on documents that are not in the corpus"] = missing
    return {key: found for key, found in known.items() if found}


def _ids_of(grades: Grades) -> dict[str, str]:
    return {document: document for found in grades.values() for document in found}


def _count(lists: Sequence[ShownList], kind: str) -> int:
    return sum(e.kind == kind and e.document is not None for one in lists for e in one.events)


def _check(
    least_propensity: float,
    min_probability: float,
    min_citations: int,
    best_rating: float | None,
    half_life_days: float | None,
) -> None:
    ranges = {
        "least_propensity: expected above 0, at most 1": (
            0 < least_propensity <= 1,
            least_propensity,
        ),
        "min_probability: expected 0..1": (0 <= min_probability <= 1, min_probability),
        "min_citations: expected at least 1": (min_citations >= 1, min_citations),
        "best_rating: expected a number above 0": (_is_positive(best_rating), best_rating),
        "half_life_days: expected a number above 0": (_is_positive(half_life_days), half_life_days),
    }
    for expected, (holds, found) in ranges.items():
        if not holds:
            raise ValueError(f"{expected}, got {found}")


def _is_positive(value: float | None) -> bool:
    return value is None or 0 < value < float("inf")
