"""Result lists that users saw, with what they did: one record a list, as JSON holds it."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NoReturn, get_args

import numpy as np

from query_adapters.errors import InvalidDatasetError
from query_adapters.files.json_types import is_number, texts_of
from query_adapters.text.shown import quoted
from query_adapters.typing import Vectors

EventKind = Literal["clicked", "rated", "cited"]
"""What happened to a shown document: a user opened it, somebody graded it, the answer cites it."""


@dataclass(frozen=True, kw_only=True)
class FeedbackEvent:
    """What happened to a document of a shown list, or to the list as a whole.

    Args:
        kind: "clicked", "rated" or "cited".
        document: Id of the document; None for a rating of the whole list.
        grade: Of a rating, a finite number; 0 or less means that the document is not relevant.
        time: Seconds since 1970, UTC.

    Raises:
        InvalidDatasetError: If a rating has no finite grade, or another event no document.
    """

    kind: EventKind
    document: str | None = None
    grade: float | None = None
    time: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(EventKind):
            _refuse("event", f"one of {', '.join(get_args(EventKind))}", self.kind)
        if self.kind == "rated" and not is_number(self.grade):
            _refuse("grade of a rating", "a finite number", self.grade)
        if self.kind != "rated" and self.document is None:
            _refuse(f"document that was {self.kind}", "its id", None)

    def to_record(self, shown: str) -> dict[str, Any]:
        """Return the event as JSON can hold it, with the id of the shown list."""
        graded = {} if self.grade is None else {"grade": self.grade}
        named = {} if self.document is None else {"document": self.document}
        return {"shown": shown, "event": self.kind, "time": self.time, **named, **graded}

    @classmethod
    def from_record(cls, row: Mapping[str, Any]) -> "FeedbackEvent":
        """Return the event of `to_record`.

        Raises:
            InvalidDatasetError: If a part is missing or of another type.
        """
        document = row.get("document")
        if document is not None and not isinstance(document, str):
            _refuse("document", "its id", document)
        return cls(
            kind=row["event"], document=document, grade=row.get("grade"), time=_time(row["time"])
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownList:
    """A result list that was shown, with the feedback on it.

    Args:
        id: Id of the list, which events name.
        key: Key of the question, equal for equal questions.
        ids: Ids of the shown documents, best first; the rank of the first is 1.
        question: The question's text; None where the log keeps no texts.
        scores: Their scores, in the same order; empty if they are not known.
        session: Key of the user or session; None if it is not known.
        system: Name of the system that ranked them.
        teams: Team of each document by id, where two rankings were interleaved; None of a document
            that counts for neither. Empty if they were not.
        time: Seconds since 1970, UTC.
        weight: How many lists it stands for, above 0: 10 if one list in ten is logged.
        vector: The question's vector by the base model, `(dim,)`; None without one.
        events: What happened.

    Raises:
        InvalidDatasetError: If no document is shown, one is shown twice, there is a score for
            some of them only, a team is that of another document, or the weight is not a finite
            number above 0.
    """

    id: str
    key: str
    ids: tuple[str, ...]
    question: str | None = None
    scores: tuple[float, ...] = ()
    session: str | None = None
    system: str = ""
    teams: Mapping[str, str | None] = field(default_factory=dict)
    time: float = 0.0
    weight: float = 1.0
    vector: Vectors | None = field(default=None, repr=False)
    events: tuple[FeedbackEvent, ...] = ()

    def __post_init__(self) -> None:
        if not self.ids or len(set(self.ids)) < len(self.ids):
            _refuse("shown documents", "at least one, each once", self.ids)
        if self.scores and len(self.scores) != len(self.ids):
            _refuse("scores", f"one for each of {len(self.ids)} documents", self.scores)
        if not self.teams.keys() <= set(self.ids):
            _refuse("teams", "those of shown documents", dict(self.teams))
        if not (is_number(self.weight) and self.weight > 0):
            _refuse("weight of a shown list", "a finite number above 0", self.weight)

    @property
    def strangers(self) -> tuple[str, ...]:
        """Ids that events name and the list does not hold."""
        named = {event.document for event in self.events if event.document is not None}
        return tuple(sorted(named.difference(self.ids)))

    def without_strangers(self) -> "ShownList":
        """Return the list without events on documents that it does not hold."""
        known = {None, *self.ids}
        return replace(self, events=tuple(e for e in self.events if e.document in known))

    def check_shown(self, document: str) -> None:
        """Check that the document was shown.

        Raises:
            InvalidDatasetError: If it was not.
        """
        if document not in self.ids:
            raise InvalidDatasetError(
                f"feedback on {quoted(document)}: expected one of the {len(self.ids)} documents "
                f"that were shown, such as {quoted(self.ids[0])}; name the list that showed it"
            )

    def to_record(self) -> dict[str, Any]:
        """Return everything but the events as JSON can hold it, absent parts left out."""
        parts: dict[str, Any] = {
            "list": self.id,
            "key": self.key,
            "time": self.time,
            "question": self.question,
            "session": self.session,
            "system": self.system,
            "teams": dict(self.teams) or None,
            "ids": list(self.ids),
            "scores": [float(score) for score in self.scores if math.isfinite(score)],
            "weight": None if self.weight == 1 else self.weight,
            "vector": None if self.vector is None else _encoded(self.vector),
        }
        if len(parts["scores"]) < len(self.ids):  # JSON has no infinity
            parts["scores"] = None
        return {name: part for name, part in parts.items() if part not in (None, "")}

    @classmethod
    def from_record(cls, row: Mapping[str, Any]) -> "ShownList":
        """Return the list of `to_record`.

        Raises:
            InvalidDatasetError: If a part is missing or of another type.
        """
        texts = [
            row["list"],
            row["key"],
            *(row.get(k, "") for k in ("question", "session", "system")),
        ]
        if odd := [text for text in texts if not isinstance(text, str)]:
            _refuse("record of a shown list", "texts as ids", odd[0])
        scores = row.get("scores", [])
        if not isinstance(scores, list) or not all(map(is_number, scores)):
            _refuse("scores", "finite numbers", scores)
        return cls(
            id=row["list"],
            key=row["key"],
            ids=texts_of(row["ids"]),
            question=row.get("question"),
            scores=tuple(scores),
            session=row.get("session"),
            system=row.get("system", ""),
            teams=_teams(row.get("teams", {})),
            time=_time(row["time"]),
            weight=row.get("weight", 1.0),
            vector=_decoded(row["vector"]) if "vector" in row else None,
        )


def checked_ids(ids: Sequence[str]) -> tuple[str, ...]:
    """Return the ids as a tuple.

    Raises:
        InvalidDatasetError: If they are a single string, or hold something else than texts.
    """
    if isinstance(ids, str) or not all(isinstance(key, str) for key in ids):
        _refuse("shown documents", "a list of ids, which are texts", ids)
    return tuple(ids)


def _encoded(vector: Vectors) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")


def _decoded(text: object) -> Vectors:
    vector = np.frombuffer(base64.b64decode(str(text), validate=True), dtype="<f4")
    if not len(vector) or not np.isfinite(vector).all():
        _refuse("vector of a question", "finite numbers", text)
    return vector.astype(np.float32)


def _teams(value: object) -> dict[str, str | None]:
    if not isinstance(value, dict) or not all(isinstance(t, str | None) for t in value.values()):
        _refuse("teams", "a text or null by id", value)
    return value


def _time(value: object) -> float:
    if not is_number(value):
        _refuse("time", "seconds since 1970", value)
    return float(value)


def _refuse(what: str, expected: str, found: object) -> NoReturn:
    raise InvalidDatasetError(
        f"{what}: expected {expected}, got {quoted(found)}; correct or drop it"
    )
