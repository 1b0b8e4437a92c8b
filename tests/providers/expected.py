"""Expected requests and errors of the OpenAI and Cohere SDKs in both frameworks."""

from collections.abc import Callable

import cohere
import numpy as np
import openai
import pytest

from query_adapters.adapters import LinearAdapter
from tests.servers.embeddings import DIM, KEY, EmbeddingServer, vector_of

Serve = Callable[..., EmbeddingServer]
ROLES = {"openai": (None, None), "cohere": ("search_query", "search_document")}
DOCUMENT_BATCHES = {"openai": [16, 16, 16, 16, 6], "cohere": [64, 6]}
QUESTION_BATCHES = {"openai": [1, 16, 16, 16, 16, 15], "cohere": [1, 64, 15]}  # first: a check
SERVER_ERRORS = {"openai": openai.InternalServerError, "cohere": cohere.InternalServerError}
RATE_LIMIT_ERRORS = {"openai": openai.RateLimitError, "cohere": cohere.TooManyRequestsError}
WRONG_KEY_ERRORS = {"openai": openai.AuthenticationError, "cohere": cohere.UnauthorizedError}
ADAPTER = LinearAdapter(np.random.default_rng(0).normal(size=(DIM, DIM)))

each_provider = pytest.mark.parametrize("provider", ROLES)
ignore_own_warnings = pytest.mark.filterwarnings(  # raised inside Cohere's client
    "ignore::pydantic.warnings.PydanticDeprecationWarning"
)


def check_vectors(provider: str, query: list[float], documents: list[list[float]]) -> None:
    """Check that "q" is adapted and that documents "a" and "b" have the provider's vectors."""
    query_role, document_role = ROLES[provider]
    assert query == ADAPTER(np.array(vector_of("q", query_role), dtype=np.float32)).tolist()
    np.testing.assert_array_equal(documents, [vector_of(text, document_role) for text in "ab"])


def check_settings(provider: str, server: EmbeddingServer) -> None:
    """Check the dimension, encoding and key of all requests."""
    sent = {(r.dimensions, r.encoding, r.authorization) for r in server.requests}
    expected = (DIM, "base64") if provider == "openai" else (None, None)
    assert sent == {(*expected, f"Bearer {KEY}")}
