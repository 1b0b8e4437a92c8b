"""A scripted language model for tests of the generation."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest

MARKER = re.compile(r"marker-\w+")
Said = str | BaseException


class ScriptedWriter:
    """A language model whose answer depends on the first marker in the prompt.

    Args:
        answers: Answers or errors by marker, one per request. Further answers are two questions.
        model_name: See `TextGenerator`.
    """

    def __init__(
        self, answers: Mapping[str, Sequence[Said]] | None = None, *, model_name: str = "scripted"
    ) -> None:
        self.answers, self.model_name = answers or {}, model_name
        self.prompts: list[str] = []
        self.asked: Counter[str] = Counter()

    async def complete(self, prompt: str) -> str:
        found = MARKER.search(prompt)
        marker = found[0] if found else "nothing"
        ask = self.asked[marker]
        self.asked[marker] += 1
        self.prompts.append(prompt)
        await asyncio.sleep(0)
        told = self.answers.get(marker, ())
        said = told[ask] if ask < len(told) else f"What is {marker}?\nHow is {marker} done?"
        if isinstance(said, BaseException):
            raise said
        return said


class HttpError(Exception):
    """An SDK error with a status and headers."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture(scope="session")
def make_writer() -> Callable[..., ScriptedWriter]:
    return ScriptedWriter


@pytest.fixture(scope="session")
def http_error() -> Callable[..., HttpError]:
    return HttpError


@pytest.fixture
def chunks() -> dict[str, str]:
    return {f"c{i}": f"This is about marker-{i}, at length." for i in range(6)}
