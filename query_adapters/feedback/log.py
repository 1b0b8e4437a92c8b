"""The feedback log: what a retriever showed, and what users did with it."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.arrays import check_finite
from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback.pruning import prune_log
from query_adapters.feedback.questions import Kept, QuestionPrivacy
from query_adapters.feedback.reading import FeedbackRecords, read_log
from query_adapters.feedback.records import EventKind, FeedbackEvent, ShownList, checked_ids
from query_adapters.feedback.rotating import RotatingFile
from query_adapters.text.shown import quoted

MAX_BYTES = 64 << 20  # of one file of the log
DAY = 86_400.0  # seconds
_encoded = json.JSONEncoder(allow_nan=False).encode  # made once: json.dumps makes one a call


class FeedbackLog:
    """An append-only log of shown result lists and of the feedback on them, as JSON lines.

    Several processes and threads may write one log. A line is written whole or not at all; a
    process that is killed meanwhile leaves a cut line, which `read` skips and counts. Lines survive
    the end of the process at once, and that of the machine once the system has written them.

    Args:
        path: The file, created with its folders by the first line. Of a log that has grown beyond
            `max_bytes`, older lines are in `<path>.000001` and so on.
        questions: What is kept of a question: "text"; "hash", a keyed hash and the question's
            vector; or "vector" alone, so that equal questions cannot be told.
        secret: Key of the hashes of questions and sessions, at least 16 bytes.
        max_bytes: Size from which a file is rotated.
        durable: Whether to wait for the disk after each line, which takes milliseconds.
        clock: Returns the time of a line, seconds since 1970, UTC; another one replays old traffic.

    Raises:
        ValueError: If `questions` is no such choice, the secret is missing or too short, or
            `max_bytes` is below 1.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        questions: Kept = "text",
        secret: bytes | None = None,
        max_bytes: int = MAX_BYTES,
        durable: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes: expected at least 1, got {max_bytes}")
        self.path, self._clock = Path(path), clock
        self._privacy = QuestionPrivacy(kept=questions, secret=secret)
        self._file = RotatingFile(self.path, max_bytes=max_bytes, durable=durable)

    @property
    def keeps_texts(self) -> bool:
        """Whether questions are kept as texts; without them, each needs its vector."""
        return self._privacy.kept == "text"

    def shown(
        self,
        question: str,
        ids: Sequence[str],
        *,
        scores: Sequence[float] = (),
        session: str | None = None,
        system: str = "",
        teams: Mapping[str, str | None] | None = None,
        weight: float = 1.0,
        vector: ArrayLike | None = None,
    ) -> ShownList:
        """Log a result list, and return it; its `id` names it in another process.

        Args:
            question: The question.
            ids: Ids of the shown documents, best first, each once.
            scores: Their scores, in the same order; none if they are not known.
            session: Key of the user or the session.
            system: Name of the system that ranked them.
            teams: Team of each document by id, as `InterleavedRetriever.teams` returns them, for
                `query_adapters.experiments.session_outcomes`; none if it was not interleaved.
            weight: How many lists it stands for, above 0.
            vector: The question's vector by the base model, `(dim,)`; needed where no text is
                kept.

        Raises:
            InvalidDatasetError: If the question is empty, an id is shown twice, there are scores
                for some ids only, a team is that of another id, the weight is not above 0, or a
                vector is missing.
            OSError: If the line cannot be written.
        """
        shown = self.made(
            question,
            ids,
            scores=scores,
            session=session,
            system=system,
            teams=teams,
            weight=weight,
            vector=vector,
        )
        self.add(shown)
        return shown

    def made(
        self,
        question: str,
        ids: Sequence[str],
        *,
        scores: Sequence[float] = (),
        session: str | None = None,
        system: str = "",
        teams: Mapping[str, str | None] | None = None,
        weight: float = 1.0,
        vector: ArrayLike | None = None,
    ) -> ShownList:
        """Return a result list as this log keeps it, for `add`; arguments as in `shown`.

        Raises:
            InvalidDatasetError: As in `shown`.
        """
        if not _text(question).strip():
            raise InvalidDatasetError(f"question: expected a text, got {quoted(question)}")
        self._privacy.check_vector(vector)
        return ShownList(
            id=uuid4().hex,
            key=self._privacy.key(question),
            ids=checked_ids(ids),
            question=self._privacy.text(question),
            scores=_scores(scores),
            session=self._privacy.session(session if session is None else _text(session)),
            system=_text(system),
            teams={_text(key): t if t is None else _text(t) for key, t in (teams or {}).items()},
            time=self._clock(),
            weight=weight,
            vector=None if vector is None else _vector(vector),
        )

    def add(self, shown: ShownList) -> None:
        """Write a list of `made`; events on it may be written before.

        Raises:
            OSError: If the line cannot be written.
        """
        self._append(shown.to_record())

    def clicked(self, shown: ShownList | str, document: str) -> None:
        """Log that the user opened a document.

        Args:
            shown: The list, or its id.
            document: Id of the document.

        Raises:
            InvalidDatasetError: If the list does not hold it; of a list's id, reading shows it.
            OSError: If the line cannot be written.
        """
        self._event(shown, "clicked", document)

    def rated(self, shown: ShownList | str, grade: float, document: str | None = None) -> None:
        """Log a rating.

        Args:
            shown: The list, or its id.
            grade: A finite number; 0 or less means that the document is not relevant.
            document: Id of the document; None for the whole list.

        Raises:
            InvalidDatasetError: As in `clicked`, or if the grade is not finite.
            OSError: If the line cannot be written.
        """
        self._event(shown, "rated", document, grade=grade)

    def cited(self, shown: ShownList | str, document: str) -> None:
        """Log that the answer cites a document; arguments and errors as in `clicked`."""
        self._event(shown, "cited", document)

    def read(self) -> FeedbackRecords:
        """Return all that the log holds.

        Raises:
            FileNotFoundError: If nothing was logged yet.
        """
        return read_log(self.path)

    def prune(self, *, keep_days: float, now: float | None = None) -> int:
        """Delete lists that are older, with the events on them, and damaged lines.

        Args:
            keep_days: Age in days from which a list is deleted, from 0.
            now: Seconds since 1970 from which ages count; by default the time of the log's clock.

        Returns:
            Number of deleted lines.

        Raises:
            ValueError: If the number of days is negative or not a number.
        """
        if not keep_days >= 0:
            raise ValueError(f"keep_days: expected a number from 0, got {keep_days}")
        before = (self._clock() if now is None else now) - keep_days * DAY
        return prune_log(self._file, before=before)

    def _event(
        self, shown: ShownList | str, kind: EventKind, document: str | None, **grade: float
    ) -> None:
        if isinstance(shown, ShownList) and document is not None:
            shown.check_shown(document)
        event = FeedbackEvent(kind=kind, document=document, time=self._clock(), **grade)
        self._append(event.to_record(shown.id if isinstance(shown, ShownList) else shown))

    def _append(self, record: dict[str, Any]) -> None:
        self._file.append(_encoded(record).encode() + b"\n")


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise InvalidDatasetError(
            f"question, session, system, teams: expected texts, got {quoted(given)}; convert it"
        )
    return given


def _scores(given: Sequence[float]) -> tuple[float, ...]:
    try:
        return tuple(float(score) for score in given)
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidDatasetError(f"scores: expected numbers, got {quoted(given)}") from exc


def _vector(given: ArrayLike) -> Any:
    try:
        vector = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidDatasetError(f"vector: expected numbers, got {quoted(given)}") from exc
    if vector.ndim != 1 or not len(vector):
        raise InvalidDatasetError(f"vector: expected shape (dim,), got {vector.shape}")
    check_finite(vector[None], "vector of the question")
    return vector
