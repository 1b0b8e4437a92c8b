"""Embedding models of OpenAI, or of a server with the same API (extra: openai)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from query_adapters._extras import require_extra
from query_adapters.embedders.batching import check_at_least_one, embed_in_requests
from query_adapters.embedders.identity import identity_from
from query_adapters.embedders.providers import key_from, refusals_of
from query_adapters.processes.forks import PerProcess
from query_adapters.typing import Vectors

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
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
        max_retries: Retries of the SDK after rate limits, failures and lost connections.
        timeout: Seconds that one attempt may take.

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
        self._clients = PerProcess(lambda: _client(max_retries, timeout))

    @property
    def _client(self) -> "OpenAI":
        return self._clients.get()

    @property
    def identity(self) -> str:
        """Identifier of the vectors: model, dimensions and server, without the key."""
        settings = {"dimensions": self.dimensions, "base_url": str(self._client.base_url)}
        return identity_from("openai", self.model_name, settings)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of queries, `(len(texts), dim)`.

        Raises:
            ProviderRefusedError: If the provider rejects the key.
            ProviderError: If the request fails after all retries.
        """
        return self._embed(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents; otherwise as `embed_queries`."""
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        return embed_in_requests(
            self._send, texts, limit=TEXTS_PER_REQUEST, concurrency=self.concurrency
        )

    def _send(self, texts: Sequence[str]) -> list[list[float]]:
        from openai import OpenAIError, omit

        name = f"openai:{self.model_name}"
        with refusals_of(name, (OpenAIError,)):
            answer = self._client.embeddings.create(
                model=self.model_name, input=list(texts), dimensions=self.dimensions or omit
            )
        return [row.embedding for row in sorted(answer.data, key=lambda row: row.index)]


def _client(max_retries: int, timeout: float) -> "OpenAI":
    key = key_from(KEY_VARIABLE)
    from openai import OpenAI

    return OpenAI(api_key=key, max_retries=max_retries, timeout=timeout)
