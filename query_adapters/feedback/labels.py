"""Grades of documents from clicks, ratings and citations."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from query_adapters.feedback.click_model import ClickModel
from query_adapters.feedback.clicks import ClickTable
from query_adapters.feedback.propensities import Propensities
from query_adapters.feedback.records import ShownList

LEAST_LISTS = 3  # of a question, which tell a low rank from a document that nobody wants
MOST_EVIDENCE = 10.0  # of a question, times the median
LEAST_CONTRAST = 2.0  # of the click rates; with less, clicks do not depend on what is shown
Grades = dict[str, dict[str, float]]
"""Grades, 0..1, by key of the question and id of the document."""


@dataclass(frozen=True, kw_only=True)
class ClickLabels:
    """Labels from clicks.

    Attributes:
        grades: The labels.
        propensities: Of each rank.
        click_rate: How often users click a relevant document at the first rank, 0..1.
        noise: How often they click another one there, 0..1.
        effective_clicks: The clicks behind the labels, as many as would tell the same without
            weights, `(Σ w)² / Σ w²`.
        n_clicks: The clicks behind the labels.
        dropped: What was left out, by reason.
        evidence: Clicks with inverse-propensity weights behind the labels, by key of the question.
        unanswered: Keys of questions that were asked at least 3 times and have no label, those
            least likely to have a relevant document among the shown ones first.

    Source: Kish, Survey Sampling (1965), for the effective number.
    """

    grades: Grades = field(default_factory=dict)
    propensities: Propensities | None = None
    click_rate: float | None = None
    noise: float | None = None
    effective_clicks: float = 0.0
    n_clicks: float = 0.0
    dropped: Mapping[str, int] = field(default_factory=dict)
    evidence: Mapping[str, float] = field(default_factory=dict)
    unanswered: tuple[str, ...] = ()


def labels_from_clicks(
    table: ClickTable,
    propensities: Propensities | None,
    *,
    least_propensity: float,
    min_probability: float,
) -> ClickLabels:
    """Return the labels of pairs whose clicks are more than noise.

    The grade is the click rate with inverse-propensity weights, `Σ w c / n` with
    `w = 1 / max(p, least_propensity)`, over that of a relevant document and at most 1: an estimate
    of how relevant a document is, whatever the rank at which it was shown. Whether it becomes a
    label is decided by `ClickModel`: a rate alone, such as one click at rank 10 with weight 10,
    does not tell relevance from noise. If documents of both kinds are clicked nearly alike, there
    are no labels.

    Args:
        table: The clicks.
        propensities: Of each rank; None to fit them with the click model.
        least_propensity: Clips the weights.
        min_probability: The least probability that a label is relevant.

    Source: Joachims, Swaminathan, Schnabel, Unbiased Learning-to-Rank with Biased Feedback (2017),
        for inverse-propensity weights and their clipping.
    """
    model = ClickModel.fitted(table, propensities)
    found = propensities or Propensities(
        np.minimum(model.propensities, 1.0), "estimated, EM over questions that recur"
    )
    weights = 1 / found.at(table.ranks, least=least_propensity)
    rates = table.by_pair(weights * table.clicked) / table.by_pair(table.shown)
    clicked = table.by_pair(table.clicked) > 0
    tells = model.relevant >= LEAST_CONTRAST * model.other
    kept = clicked & (model.probabilities >= min_probability) & tells
    grades: Grades = defaultdict(dict)
    for pair in np.flatnonzero(kept):
        question = table.questions[table.question_of[pair]]
        grades[question][table.documents[pair]] = min(1.0, float(rates[pair] / model.relevant))
    behind = kept[table.pair_of]
    evidence = table.by_question(np.where(kept, table.by_pair(weights * table.clicked), 0.0))
    weak = f"clicked documents that are relevant with a probability below {min_probability:g}"
    total, squares = (table.clicked[behind] @ weights[behind] ** power for power in (1, 2))
    return ClickLabels(
        grades=dict(grades),
        propensities=found,
        click_rate=model.relevant,
        noise=model.other,
        effective_clicks=float(total**2 / squares) if squares else 0.0,
        n_clicks=float(table.clicked[behind].sum()),
        dropped={weak: int((clicked & ~kept).sum())},
        evidence={key: float(n) for key, n in zip(table.questions, evidence, strict=True) if n},
        unanswered=_unanswered(table, model, grades),
    )


def _unanswered(table: ClickTable, model: ClickModel, grades: Grades) -> tuple[str, ...]:
    n_lists = np.zeros(len(table.questions))
    np.maximum.at(n_lists, table.question_of, table.by_pair(table.shown))
    order = np.argsort(model.answered, kind="stable")
    keys = (table.questions[row] for row in order if n_lists[row] >= LEAST_LISTS)
    return tuple(key for key in keys if key not in grades)


def labels_from_ratings(
    lists: Sequence[ShownList], weights: Sequence[float], *, best: float | None
) -> tuple[Grades, Grades]:
    """Return the grades of documents that were rated relevant, and those rated irrelevant (0).

    The grade is the weighted mean rating over the best one.

    Args:
        lists: The shown lists.
        weights: Weight of each list.
        best: The best rating that can be given; None for the best one found.
    """
    sums: dict[tuple[str, str], list[float]] = {}
    highest = 0.0
    for one, weight in zip(lists, weights, strict=True):
        for event in one.events:
            if event.kind == "rated" and event.document is not None and event.grade is not None:
                found = sums.setdefault((one.key, event.document), [0.0, 0.0])
                found[0] += weight * event.grade
                found[1] += weight
                highest = max(highest, event.grade)
    scale = best or highest
    relevant: Grades = defaultdict(dict)
    irrelevant: Grades = defaultdict(dict)
    for (key, document), (total, n) in sums.items():
        if total > 0:
            relevant[key][document] = min(1.0, total / n / scale)
        else:
            irrelevant[key][document] = 0.0
    return dict(relevant), dict(irrelevant)


def labels_from_citations(
    lists: Sequence[ShownList], weights: Sequence[float], *, min_citations: int
) -> Grades:
    """Return the share of the lists with a document whose answer cites it, as its grade.

    A model that answers reads all documents that it is given, so ranks are not corrected for.

    Args:
        lists: The shown lists; those without a citation say nothing.
        weights: Weight of each list.
        min_citations: Lists that must cite a document.
    """
    cited: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0])
    for one, weight in zip(lists, weights, strict=True):
        named = {event.document for event in one.events if event.kind == "cited"}
        for document in one.ids if named else ():
            counts = cited[one.key, document]
            counts[0] += weight * (document in named)
            counts[1] += weight
            counts[2] += document in named
    grades: Grades = defaultdict(dict)
    for (key, document), (hits, n, count) in cited.items():
        if count >= max(1, min_citations):
            grades[key][document] = hits / n
    return dict(grades)


def evidence_weights(
    grades: Grades,
    clicks: Mapping[str, float],
    lists: Sequence[ShownList],
    weights: Sequence[float],
) -> dict[str, float]:
    """Return how much each question counts by its evidence, at most ten times the median.

    The evidence is clicks with inverse-propensity weights, and ratings and citations of documents.
    The clip bounds what a question that is asked all the time, or a click far down, may do.

    Args:
        grades: The labels.
        clicks: Clicks with inverse-propensity weights behind the labels, by question.
        lists: The shown lists.
        weights: Weight of each list.
    """
    found = {key: clicks.get(key, 0.0) for key in grades}
    for one, weight in zip(lists, weights, strict=True):
        for event in one.events:
            if event.kind != "clicked" and event.document in grades.get(one.key, ()):
                found[one.key] += weight
    most = MOST_EVIDENCE * float(np.median(list(found.values())))
    return {key: min(evidence, most) for key, evidence in found.items()}


def merged(clicks: Grades, citations: Grades, rated: Grades, refused: Grades) -> Grades:
    """Return one grade a document: its rating, else the higher one of clicks and citations."""
    found: Grades = defaultdict(dict)
    for source in (clicks, citations):
        for key, grades in source.items():
            for document, grade in grades.items():
                if document not in refused.get(key, ()):
                    found[key][document] = max(grade, found[key].get(document, 0.0))
    for key, grades in rated.items():
        found[key].update(grades)
    return {key: grades for key, grades in found.items() if grades}
