"""Relevance judgements from the feedback on traces."""

import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.rows import from_clicks
from query_adapters.data.traces.ratings import Ratings
from query_adapters.data.traces.reading import read_feedback, read_spans
from query_adapters.data.traces.shown import ShownDocuments
from query_adapters.data.traces.spans import Feedback
from query_adapters.errors import DatasetWarning, InvalidDatasetError
from query_adapters.typing import Texts


def from_traces(
    traces: Any,
    corpus: Texts | None = None,
    *,
    feedback: Any = None,
    names: Sequence[str] | None = None,
    threshold: float = 0.5,
    top: int = 3,
    min_weight: float = 0.0,
    id_key: str | None = None,
) -> RetrievalDataset:
    """Return the dataset of traced retrievals that got positive feedback.

    Reads spans with OpenInference attributes (OTLP JSON, exports of Phoenix), runs of LangSmith,
    traces and observations of Langfuse. A document is relevant to the query of a retrieval

    - if its own feedback is above the threshold: with weight 1;
    - or if it has none, is among the first `top`, and the feedback on the retrieval is above the
      threshold: with weight 1 / log2(1 + rank). Feedback on a retrieval is the one on its span,
      else on the nearest span around it that has some, else on its trace.

    Several values on one target are averaged. Weights of equal queries add up, as in
    `from_clicks`, and are the grades.

    What the labels cannot show: only documents that were retrieved can become relevant, so gains
    on others stay unseen and unlearned; feedback on an answer does not say which document helped,
    and favours what ranked first; few users rate, and those are not like the others. Check them
    against some questions that were judged by hand.

    Args:
        traces: A path (`.json`, `.jsonl`, `.parquet`, `.csv`), dicts, or a pandas table.
        corpus: Document texts by id; by default the texts in the traces, of which the last one
            counts. With a corpus, a document without a known id is found by its whole text.
        feedback: Path or table of annotations, feedback or scores that are not in the traces.
        names: Names of the feedback that counts; needed if there are several.
        threshold: Feedback above it is positive: 0.5 for 0 and 1, 3 for stars from 1 to 5.
        top: Documents of a retrieval that positive feedback on the whole labels, from 1.
        min_weight: Pairs whose summed weight is below this are left out.
        id_key: Key of the documents' metadata that holds the id in your index.

    Raises:
        InvalidDatasetError: If the source cannot be read, several kinds of feedback are not told
            apart, nothing is positive, or no relevant document is in the corpus.
        ValueError: If `top` is below 1.

    Source:
        The discount by rank: Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR
        techniques, ACM TOIS 20 (2002). The bias of shown documents: Joachims, Swaminathan and
        Schnabel, Unbiased learning-to-rank with biased feedback, WSDM (2017).
    """
    if top < 1:
        raise ValueError(f"top: expected at least 1, got {top}")
    spans, ratings = read_spans(traces, id_key)
    ratings += [] if feedback is None else read_feedback(feedback)
    retrievals = [span for span in spans if span.query is not None and span.documents]
    ratings_by_target = Ratings.of(_named(ratings, names), spans)
    shown = ShownDocuments.of(retrievals, corpus)
    judged = [
        (str(span.query), shown.id_of(span.documents[position]), weight)
        for span in retrievals
        for position, weight in ratings_by_target.relevant(span, threshold=threshold, top=top)
    ]
    clicks = [(query, key, weight) for query, key, weight in judged if key is not None]
    if not clicks:
        _refuse(f"{len(retrievals)} retrievals and {len(ratings)} ratings", judged, threshold)
    if len(clicks) < len(judged):
        warnings.warn(
            f"left out: {len(judged) - len(clicks)} of {len(judged)} judgements, whose documents "
            "are not in the corpus; without one, documents need a text in the traces",
            DatasetWarning,
            stacklevel=2,
        )
    return from_clicks(clicks, shown.texts, min_weight=min_weight)


def _refuse(found: str, judged: Sequence[object], threshold: float) -> NoReturn:
    if judged:
        raise InvalidDatasetError(
            f"{found}: none of {len(judged)} relevant documents is in the corpus, or has a text in "
            "the traces; give the texts by id with corpus=, and the key of the ids with id_key="
        )
    raise InvalidDatasetError(
        f"{found}: no document has feedback above {threshold}; expected at least one: give the "
        "ratings with feedback=, or another threshold"
    )


def _named(ratings: Sequence[Feedback], names: Sequence[str] | None) -> list[Feedback]:
    present = sorted({rating.name for rating in ratings})
    wanted = [names] if isinstance(names, str) else names
    if wanted is None and len(present) > 1:
        raise InvalidDatasetError(
            f"feedback of several kinds: {', '.join(map(repr, present))}; name those that say "
            f"whether documents were relevant: names=[{present[0]!r}]"
        )
    if missing := [name for name in wanted or () if name not in present]:
        raise InvalidDatasetError(
            f"no feedback is called {missing[0]!r}; expected one of {', '.join(map(repr, present))}"
        )
    return [rating for rating in ratings if wanted is None or rating.name in wanted]
