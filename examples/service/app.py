"""The service: questions and feedback over HTTP, whether it is ready, and a page of what happened.

    python -m examples.service.app        # http://127.0.0.1:8000

SIGTERM ends it with exit status 0 once the requests that are under way have been answered. Feedback
needs no flushing: a line is in the file before its request is answered.
"""

import argparse
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Annotated

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, StringConstraints

from examples.service.data import TENANTS, Tenant, read
from examples.service.nightly import read_nights
from examples.service.page import page
from examples.service.retrieval import Retrieval, Settings

logger = logging.getLogger("uvicorn.error")
router = APIRouter()
GRACE = 20  # seconds that requests have to end after SIGTERM
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]


class Question(BaseModel):
    """A question, and who asks: a random key, such as that of a cookie."""

    text: Text
    session: Text


class Result(BaseModel):
    """A document that is shown."""

    id: str
    text: str


class Answer(BaseModel):
    """What is shown, best first; `shown` comes back with feedback on it."""

    shown: str
    results: list[Result]


class Feedback(BaseModel):
    """A click on a shown document or, with a grade, its rating; 0 or less: not relevant."""

    shown: Text
    document: Text
    grade: Annotated[float, Field(allow_inf_nan=False)] | None = None


class PersonsAnswer(BaseModel):
    """A question, and the document with which a person answered it."""

    text: Text
    document: Text


class Loading:
    """Loads index and adapters in a thread, so that the service can say meanwhile how it is."""

    def __init__(self, load: Callable[[], Retrieval]) -> None:
        self.load = load
        self.retrieval: Retrieval | None = None
        self.has_failed = False

    def start(self) -> None:
        """Start the thread, which does not keep the process from ending."""
        Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self.retrieval = self.load()
        except Exception:
            logger.exception("the service cannot start")
            self.has_failed = True
        else:
            logger.info("Index and adapters are loaded")


def loading(request: Request) -> Loading:
    """Return what loads index and adapters."""
    found: Loading = request.app.state.loading
    return found


def loaded(found: Annotated[Loading, Depends(loading)]) -> Retrieval:
    """Return what searches; until it is there, the request is refused."""
    if found.retrieval is None:
        raise HTTPException(503, "index and adapters are not loaded")
    return found.retrieval


Loaded = Annotated[Retrieval, Depends(loaded)]


@router.get("/health")
def health(found: Annotated[Loading, Depends(loading)], response: Response) -> dict[str, str]:
    """Return whether the process should go on; not if it could not start."""
    response.status_code = 503 if found.has_failed else 200
    return {"status": "failed" if found.has_failed else "ok"}


@router.get("/ready")
def ready(retrieval: Loaded) -> dict[str, str]:
    """Return which adapters serve each tenant, once questions are answered."""
    return {tenant: retrieval.serving(tenant) for tenant in TENANTS}


@router.post("/{tenant}/questions")
def ask(tenant: Tenant, question: Question, retrieval: Loaded) -> Answer:
    """Search for a user of a tenant; in production, authentication says which tenant."""
    shown, documents = retrieval.search(tenant, question.text, question.session)
    results = [Result(id=str(one.id), text=one.page_content) for one in documents]
    return Answer(shown=shown.id, results=results)


@router.post("/{tenant}/feedback", status_code=204)
def feedback(tenant: Tenant, given: Feedback, retrieval: Loaded) -> None:
    """Log what a user did; what no list has shown is left out when the log is read."""
    log = retrieval.logs[tenant]
    if given.grade is None:
        log.clicked(given.shown, given.document)
    else:
        log.rated(given.shown, given.grade, given.document)


@router.post("/{tenant}/answers", status_code=204)
def answered(tenant: Tenant, given: PersonsAnswer, retrieval: Loaded) -> None:
    """Log how support answered a user who had found nothing, which clicks cannot show.

    A document that the index lacks is refused: training would embed its id as its text.
    """
    if not retrieval.index.get_by_ids([given.document]):
        raise HTTPException(422, "the index has no such document")
    retrieval.answered(tenant, given.text, given.document)


@router.get("/", response_class=HTMLResponse)
def what_happened(retrieval: Loaded) -> str:
    """Return the page of all days so far."""
    return page(retrieval.registry, read_nights(retrieval.settings.folder))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Begin to load when the service starts."""
    app.state.loading.start()
    yield


def create_app(load: Callable[[], Retrieval]) -> FastAPI:
    """Return the service.

    Args:
        load: Returns what searches, called once when the service starts.
    """
    app = FastAPI(title="Adapted retrieval", lifespan=lifespan)
    app.state.loading = Loading(load)
    app.include_router(router)
    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("service_output"))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--share", type=float, default=0.5, help="of sessions in an experiment")
    parser.add_argument("--questions", type=int, help="of each topic, for a smaller index")
    options = parser.parse_args()
    settings = Settings(folder=options.folder, share=options.share)
    app = create_app(lambda: Retrieval(read(options.questions).corpus, settings))
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn stops, then raises it once more
    uvicorn.run(app, host=options.host, port=options.port, timeout_graceful_shutdown=GRACE)


if __name__ == "__main__":
    main()
