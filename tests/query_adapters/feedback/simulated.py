"""Simulated users: lists of documents, clicked by the position-based model."""

from collections.abc import Sequence

import numpy as np

from query_adapters.feedback import FeedbackEvent, ShownList
from query_adapters.feedback.questions import QuestionPrivacy

KEY = QuestionPrivacy().key


def shown(
    question: str,
    ids: Sequence[str],
    *,
    clicked: Sequence[str] = (),
    cited: Sequence[str] = (),
    rated: dict[str | None, float] | None = None,
    name: str = "",
    time: float = 0.0,
) -> ShownList:
    events = [
        *(FeedbackEvent(kind="clicked", document=document) for document in clicked),
        *(FeedbackEvent(kind="cited", document=document) for document in cited),
        *(
            FeedbackEvent(kind="rated", document=document, grade=grade)
            for document, grade in (rated or {}).items()
        ),
    ]
    return ShownList(
        id=f"{question}{name}{time}",
        key=KEY(question),
        question=question,
        ids=tuple(ids),
        time=time,
        events=tuple(events),
    )


def users(
    n_questions: int,
    n_sessions: int,
    *,
    eta: float,
    depth: int = 6,
    noise: float = 0.1,
    click_rate: float = 0.9,
    shuffled: bool = False,
    seed: int = 0,
) -> tuple[list[ShownList], dict[str, str]]:
    """Return lists with clicks, and the relevant document of each question; some show none."""
    rng = np.random.default_rng(seed)
    propensities = np.arange(1.0, depth + 1) ** -eta
    lists, answers = [], {}
    for number in range(n_questions):
        question = f"question {number}"
        ids = [f"{number}-{place}" for place in range(depth)]
        place = min(int(rng.geometric(0.4)) - 1, depth)  # mostly at the top; `depth` is nowhere
        answers[question] = f"{number}-{place}"
        for session in range(n_sessions):
            page = list(rng.permutation(ids)) if shuffled else ids
            rates = np.where([one == answers[question] for one in page], click_rate, noise)
            clicks = rng.random(depth) < propensities * rates
            clicked = [one for one, is_clicked in zip(page, clicks, strict=True) if is_clicked]
            lists.append(shown(question, page, clicked=clicked, name=f"/{session}"))
    return lists, answers
