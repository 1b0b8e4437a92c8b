"""Embedding models of OpenAI, or of a server that speaks its language (extra: openai)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from query_adapters._extras import require_extra
from query_adapters.embedders.batching import check_at_least_one, embed_in_requests
from query_adapters.embedders.identity import identity_from
from query_adapters.embedders.providers import key_from, refusals_of
from query_adapters.typing import Vectors

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
TEXTS_PER_REQUEST = 2048  # the API's limit; another is 300,000 tokens a request


class OpenAIEmbedder:
    """An embedding model behind OpenAI's API; the key is taken from `OPENAI_API_KEY` alone.

    Questions and documents are embedded alike: these models know no roles. `OPENAI_BASE_URL`
    names another server with the same API.

    Args:
        model: Such as "text-embedding-3-small".
        dimensions: Length of the vectors, where the model can shorten them.
        batch_size: Texts handed over at once, spread over up to `concurrency` requests. By
            default 32 texts a request, so that no 32 texts that the models take are too many
            tokens for one.
        concurrency: Requests under way at once.
        max_retries: Tries after the first, by the SDK: rate limits, failures, lost connections.
        timeout: Seconds that one try may take.

    Raises:
        MissingExtraError: If the extra `openai` is not installed.
        MissingKeyError: If there is no key; nothing has been sent.
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
        self._client = _client(max_retries, timeout)

    @property
    def identity(self) -> str:
        """Model, dimensions and server; never the key."""
        settings = {"dimensions": self.dimensions, "base_url": str(self._client.base_url)}
        return identity_from("openai", self.model_name, settings)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of questions, `(len(texts), dim)`.

        Raises:
            ProviderRefusedError: If the provider does not take the key.
            ProviderError: If it refuses something else, or does not answer in the end.
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
