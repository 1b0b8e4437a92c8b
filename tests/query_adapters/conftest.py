"""Fixtures with a fake embedding model, problems with a known solution and new interpreters."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.typing import Vectors

ROOT = Path(__file__).resolve().parents[2]
Then = Literal["fail", "kill", "nan", "dim", "count"]


class FakeEmbedder:
    """A deterministic embedding model that can fail after a number of batches.

    A text without a given vector gets one that depends on a hash of identity, role and text.

    Args:
        dim: Dimension of the vectors.
        identity: See `TextEmbedder`.
        batch_size: See `TextEmbedder`.
        vectors: Vectors by text, for both roles.
        after: Number of batches that succeed.
        then: Failure of the batches after that: "fail" raises an error, "kill" kills the process
            without cleanup, "nan" returns a NaN, "dim" returns another dimension, and "count"
            returns one vector too few.
    """

    def __init__(
        self,
        *,
        dim: int = 8,
        identity: str = "fake/1",
        batch_size: int = 4,
        vectors: Mapping[str, Vectors] | None = None,
        after: int | None = None,
        then: Then = "fail",
    ) -> None:
        self.dim, self.identity, self.batch_size = dim, identity, batch_size
        self.vectors = vectors or {}
        self.after, self.then = after, then
        self.calls: list[tuple[str, tuple[str, ...]]] = []

    @property
    def model_name(self) -> str:
        return self.identity.partition("/")[0]

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed("query", texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed("document", texts)

    def embedded(self, role: str) -> list[str]:
        """Return all texts embedded in this role, in order and with repetitions."""
        return [text for called_as, texts in self.calls if called_as == role for text in texts]

    def vector(self, role: str, text: str, *, dim: int | None = None) -> Vectors:
        if text in self.vectors:
            return np.asarray(self.vectors[text], dtype=np.float32)
        digest = hashlib.sha256("|".join((self.identity, role, text)).encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        return rng.normal(size=dim or self.dim).astype(np.float32)

    def _embed(self, role: str, texts: Sequence[str]) -> Vectors:
        breaks = self.after is not None and len(self.calls) >= self.after
        self.calls.append((role, tuple(texts)))
        if breaks and self.then == "fail":
            raise ConnectionError("the provider hung up")
        if breaks and self.then == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        dim = self.dim + 1 if breaks and self.then == "dim" else None
        rows = np.stack([self.vector(role, text, dim=dim) for text in texts])
        if breaks and self.then == "nan":
            rows[-1, 0] = np.nan
        return rows[:-1] if breaks and self.then == "count" else rows


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Questions whose vectors one rotation maps close to their documents.

    Attributes:
        dataset: Texts and judgements. Document i mod n_documents is relevant to question i.
        vectors: Vectors by text.
    """

    dataset: RetrievalDataset
    vectors: dict[str, Vectors]


def rotated(
    *,
    n_documents: int = 40,
    n_queries: int = 80,
    dim: int = 8,
    noise: float = 0.1,
    seed: int = 0,
    random_labels: bool = False,
) -> tuple[Vectors, Vectors, list[int]]:
    """Return questions, documents and the relevant row of each question.

    Questions are their documents mapped by one rotation, plus noise. With `random_labels` the
    relevant rows are independent of the vectors.
    """
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(n_documents, dim))
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    rows = np.arange(n_queries) % n_documents
    turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    queries = documents[rows] @ turn + noise * rng.normal(size=(n_queries, dim)) / np.sqrt(dim)
    relevant = rng.integers(n_documents, size=n_queries) if random_labels else rows
    return queries.astype(np.float32), documents.astype(np.float32), relevant.tolist()


@pytest.fixture(scope="session")
def make_embedder() -> Callable[..., FakeEmbedder]:
    """Return the class `FakeEmbedder`."""
    return FakeEmbedder


@pytest.fixture(scope="session")
def make_embedded() -> Callable[..., EmbeddedDataset]:
    """Return a function that makes an `EmbeddedDataset`; it takes the arguments of `rotated`."""

    def make(**settings: int | float | bool) -> EmbeddedDataset:
        queries, documents, relevant = rotated(**settings)  # type: ignore[arg-type]
        return EmbeddedDataset(queries, documents, tuple(np.array([row]) for row in relevant))

    return make


@pytest.fixture(scope="session")
def make_problem() -> Callable[..., Problem]:
    """Return a function that makes a `Problem`; it takes the arguments of `rotated`."""

    def make(**settings: int | float | bool) -> Problem:
        queries, documents, relevant = rotated(**settings)  # type: ignore[arg-type]
        questions = {f"q{i}": f"question {i}" for i in range(len(queries))}
        corpus = {f"d{i}": f"document {i}" for i in range(len(documents))}
        dataset = RetrievalDataset(
            questions, corpus, {f"q{i}": {f"d{row}": 1.0} for i, row in enumerate(relevant)}
        )
        vectors = dict(zip(questions.values(), queries, strict=True))
        return Problem(
            dataset=dataset, vectors=vectors | dict(zip(corpus.values(), documents, strict=True))
        )

    return make


@pytest.fixture
def start_python() -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts code in a new interpreter, with `FakeEmbedder` and `argv`."""
    preamble = f"import runpy, sys\nFakeEmbedder = runpy.run_path({__file__!r})['FakeEmbedder']\n"

    def start(code: str, *argv: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", preamble + code, *map(str, argv)]
        env = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        return subprocess.Popen(  # noqa: S603
            command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return start


@pytest.fixture
def run_python(
    start_python: Callable[..., subprocess.Popen[str]],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs code like `start_python` and waits until it ends."""

    def run(code: str, *argv: object) -> subprocess.CompletedProcess[str]:
        process = start_python(code, *argv)
        stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run
