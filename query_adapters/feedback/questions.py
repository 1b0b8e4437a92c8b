"""What a log keeps of a question: its text, a keyed hash of it, or its vector alone."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args
from uuid import uuid4

import numpy as np

from query_adapters.data.answers import text_id
from query_adapters.data.splits import normalise
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import InvalidDatasetError
from query_adapters.typing import Vectors

Kept = Literal["text", "hash", "vector"]
"""What is kept of a question: the text; a keyed hash and the vector; or the vector alone."""

LEAST_SECRET = 16  # bytes; a shorter one can be guessed
DIGITS = 32  # hexadecimal digits of a keyed hash


@dataclass(frozen=True, kw_only=True)
class QuestionPrivacy:
    """What is kept of questions and sessions.

    Args:
        kept: As in `Kept`. Questions that only differ in case, punctuation and spacing have one
            key; with "vector" each has its own, so that equal questions cannot be told.
        secret: Key of the hashes, at least 16 bytes; needed for "hash". Without it, a hash could
            be reversed by hashing likely questions. Sessions are hashed with it as well; without
            texts and without a secret, they are left out.

    Raises:
        ValueError: If there is no such choice, or the secret is missing or too short.
    """

    kept: Kept = "text"
    secret: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.kept not in get_args(Kept):
            raise ValueError(f"questions: expected one of {get_args(Kept)}, got {self.kept!r}")
        if self.kept == "hash" and self.secret is None:
            raise ValueError('questions="hash": expected a secret for the hashes, got none')
        if self.secret is not None and len(self.secret) < LEAST_SECRET:
            raise ValueError(
                f"secret: expected at least {LEAST_SECRET} bytes, got {len(self.secret)}; "
                "take secrets.token_bytes(32) once, and keep it"
            )

    def key(self, question: str) -> str:
        """Return the key of the question."""
        if self.kept == "text":
            return text_id(normalise(question))
        return self._hashed(normalise(question)) if self.kept == "hash" else uuid4().hex

    def text(self, question: str) -> str | None:
        """Return what is kept of the text."""
        return question if self.kept == "text" else None

    def session(self, session: str | None) -> str | None:
        """Return what is kept of the session's key."""
        if session is None or (self.kept != "text" and self.secret is None):
            return None
        return session if self.secret is None else self._hashed(session)

    def check_vector(self, vector: object) -> None:
        """Check that there is a vector, where no text is kept.

        Raises:
            InvalidDatasetError: If there is none.
        """
        if self.kept != "text" and vector is None:
            raise InvalidDatasetError(
                f'questions="{self.kept}": expected the vector of the question, got none; nothing '
                "could be learned from it without its text: give vector="
            )

    def _hashed(self, text: str) -> str:
        content = text.encode("utf-8", "surrogatepass")
        return hmac.new(self.secret or b"", content, hashlib.sha256).hexdigest()[:DIGITS]


@dataclass(frozen=True, kw_only=True, eq=False)
class LoggedVectors:
    """A TextEmbedder that knows the vectors of logged questions, and asks a model for the rest.

    Args:
        base: The embedding model.
        vectors: Vectors of questions, by what stands in the dataset for their text.

    Raises:
        InvalidDatasetError: If a logged vector has another length than the model's, when embedded.
    """

    base: TextEmbedder
    vectors: Mapping[str, Vectors]

    @property
    def identity(self) -> str:
        """Identifier of the vectors: those of the model."""
        return self.base.identity

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return self.base.model_name

    @property
    def batch_size(self) -> int:
        """Preferred number of texts per call."""
        return self.base.batch_size

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the logged vectors, and those of the model for other texts."""
        asked = [text for text in texts if text not in self.vectors]
        fresh = dict(zip(asked, self.base.embed_queries(asked), strict=True)) if asked else {}
        rows = [self.vectors[text] if text in self.vectors else fresh[text] for text in texts]
        if len({len(row) for row in rows}) > 1:
            raise InvalidDatasetError(
                "vectors of logged questions: expected one length, got several; leave out lists "
                "that were logged with another model"
            )
        return np.stack(rows).astype(np.float32)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents by the model."""
        return self.base.embed_documents(texts)
