"""Embedding models of OpenAI, or of a server with the same API (extra: openai)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from query_adapters._extras import require_extra
from query_adapters.embedders.batching import check_at_least_one, embed_in_requests
from query_adapters.embedders.identity import identity_from
from query_adapters.providers.answers import rows_in_order, vectors_of
from query_adapters.providers.failures import failures_of
from query_adapters.providers.naming import key_from
from query_adapters.typing import Vectors

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
BACKOFF = 1.0  # the most seconds before the second attempt; doubled each time
TEXTS_PER_REQUEST = 2048  # the API's limit; another is 300,000 tokens a request


class OpenAIEmbedder:
    """An embedding model of OpenAI's API; the key is read from `OPENAI_API_KEY` only.

    Queries and documents are embedded alike, because these models have no roles. `OPENAI_BASE_URL`
    sets another server with the same API.

    Args:
        model: The model's name, such as "text-embedding-3-small".
        dimensions: Length of the vectors, if the model can shorten them.
        batch_size: Texts per call, spread over up to `concurrency` requests. By default 32 texts
            per request, which never exceed the token limit of a request.
        concurrency: Concurrent requests.
        max_retries: Retries after rate limits, failures of the server and lost connections.
        timeout: Seconds that one attempt may take, from the connection to the answer's last byte.

    Raises:
        MissingExtraError: If the extra `openai` is not installed.
        MissingKeyError: If the environment holds no key; nothing has been sent.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        batch_size: int = 128,
        concurrency: int = 4,
        max_retries: int = 5,
        timeout: float = 60.0,
    ) -> None:
        require_extra("openai")
        check_at_least_one(dimensions=dimensions, batch_size=batch_size, concurrency=concurrency)
        self.model_name = model
        self.dimensions = dimensions
        self.batch_size = batch_size
        self.concurrency = concurrency
        self.max_retries = max_retries
        self._client = _client(timeout)

    @property
    def identity(self) -> str:
        """Identifier of the vectors: model, dimensions and server, without the key."""
        settings = {"dimensions": self.dimensions, "base_url": str(self._client.base_url)}
        return identity_from("openai", self.model_name, settings)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of queries, `(len(texts), dim)`.

        Raises:
            ProviderRefusedError: If the provider rejects the key.
            ProviderError: If the request fails after all retries, or its answer is not one vector
                of finite numbers per text.
        """
        return self._embed(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents; otherwise as `embed_queries`."""
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        return embed_in_requests(
            self._send, texts, limit=TEXTS_PER_REQUEST, concurrency=self.concurrency
        )

    def _send(self, texts: Sequence[str]) -> Vectors:
        from query_adapters.providers.retries import retrying_in_thread

        name = f"openai:{self.model_name}"
        policy = retrying_in_thread(attempts=self.max_retries + 1, backoff=BACKOFF)
        content = policy(self._answer, name, list(texts))
        rows = rows_in_order(content, len(texts), model=name)
        return vectors_of(rows, len(texts), model=name, dimensions=self.dimensions)

    def _answer(self, name: str, texts: list[str]) -> bytes:
        """Return the body of the answer to one request."""
        from openai import omit

        with failures_of(name):
            answer = self._client.embeddings.with_raw_response.create(
                model=self.model_name, input=texts, dimensions=self.dimensions or omit
            )
            return answer.http_response.content


def _client(timeout: float) -> "OpenAI":
    key = key_from(KEY_VARIABLE)
    from openai import OpenAI

    from query_adapters.providers.http_client import LimitedClient

    return OpenAI(
        api_key=key,
        max_retries=0,  # retried here, as answers without use are too
        timeout=timeout,
        http_client=LimitedClient(seconds=timeout),
    )
