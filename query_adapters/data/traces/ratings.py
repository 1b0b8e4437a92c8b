"""Feedback, looked up by what it rates."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from query_adapters.data.traces.spans import Feedback, Span

Target = tuple[str | None, str | int | None]
"""Id of a span or a trace, and the id or position of a document; None for the whole."""


@dataclass(frozen=True)
class Ratings:
    """Mean feedback by target, and the spans that contain others."""

    means: Mapping[Target, float]
    spans: Mapping[str, Span]

    @classmethod
    def of(cls, feedback: Sequence[Feedback], spans: Sequence[Span]) -> "Ratings":
        """Return the ratings of these spans."""
        values: dict[Target, list[float]] = {}
        for one in feedback:
            document = one.position if one.document_id is None else one.document_id
            values.setdefault((one.span_id or one.trace_id, document), []).append(one.value)
        means = {target: fmean(found) for target, found in values.items()}
        return cls(means, {span.id: span for span in spans})

    def relevant(self, span: Span, *, threshold: float, top: int) -> Iterator[tuple[int, float]]:
        """Yield positions and weights of the relevant documents of a retrieval."""
        whole = self._of_whole(span)
        is_positive = whole is not None and whole > threshold
        for position in range(len(span.documents)):
            own = self._of_document(span, position)
            if own is not None and own > threshold:
                yield position, 1.0
            elif own is None and is_positive and position < top:
                yield position, 1 / math.log2(2 + position)

    def _of_whole(self, span: Span) -> float | None:
        return next(
            (
                self.means[target, None]
                for target in self._around(span)
                if (target, None) in self.means
            ),
            None,
        )

    def _of_document(self, span: Span, position: int) -> float | None:
        names = (position, span.documents[position].id)
        targets = ((target, name) for target in (span.id, span.trace_id) for name in names)
        return next(
            (
                self.means[target]
                for target in targets
                if target in self.means and target[1] is not None
            ),
            None,
        )

    def _around(self, span: Span) -> Iterator[str | None]:
        """Yield the ids of the span, of the spans around it, and of its trace."""
        seen: set[str] = set()
        inner: Span | None = span
        while inner is not None and inner.id not in seen:
            yield inner.id
            seen.add(inner.id)
            inner = self.spans.get(inner.parent_id or "")
        yield span.trace_id
