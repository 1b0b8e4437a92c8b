"""Questions and documents with vectors for which one rotation improves the ranking."""

import hashlib
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.typing import Vectors
from tests.stores.place import DIM

N_DOCUMENTS, N_LABELLED = 60, 40
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0]


def key_of(number: int) -> str:
    """Return the id of a document as a UUID, which Qdrant requires."""
    return str(uuid5(NAMESPACE_OID, str(number)))


def text_of(number: int) -> str:
    return f"all about subject {number}"


def document_vector(text: str) -> list[float]:
    """Return the sum of a vector for the subject and one for the whole text, not normalized."""
    vector: list[float] = (_hashed(_subject(text)) + _hashed(text)).tolist()
    return vector


def query_vector(text: str) -> list[float]:
    """Return the rotated vector of the subject, plus noise."""
    vector: list[float] = (TURN @ _hashed(_subject(text)) + 0.3 * _hashed(text)).tolist()
    return vector


def _subject(text: str) -> str:
    return text.rpartition("subject ")[2]


def _hashed(text: str) -> Vectors:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).normal(size=DIM).astype(np.float32)


def pairs(kind: str) -> list[tuple[str, str]]:
    """Return questions with the ids of their documents."""
    return [(f"{kind} subject {number}", key_of(number)) for number in range(N_LABELLED)]


TRAINING = [*pairs("how to use"), *pairs("what is")]
HELD_OUT = RetrievalDataset(
    {text: text for text, _ in pairs("why")},
    {key_of(number): text_of(number) for number in range(N_LABELLED)},
    {text: {key: 1} for text, key in pairs("why")},
)
QUICK: dict[str, Any] = {"strengths": (0.1,), "whitenings": (0.0,), "n_folds": 2, "guard": "off"}
