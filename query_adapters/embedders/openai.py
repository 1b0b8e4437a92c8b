"""Embedding models of OpenAI, or of another server with its API (extra: openai)."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from query_adapters._extras import require_extra
from query_adapters.embedders.batching import check_at_least_one, embed_in_requests
from query_adapters.embedders.call import Role
from query_adapters.embedders.identity import identity_from
from query_adapters.embedders.known_models import dim_of_known
from query_adapters.embedders.openai_servers import SERVERS, Server
from query_adapters.errors import UnknownModelError
from query_adapters.processes.forks import PerProcess
from query_adapters.providers.answers import rows_in_order, vectors_of
from query_adapters.providers.failures import failures_of
from query_adapters.providers.secrets import remember_secrets_in
from query_adapters.typing import Vectors

if TYPE_CHECKING:
    from openai import OpenAI

BACKOFF = 1.0  # the most seconds before the second attempt; doubled each time


class OpenAIEmbedder:
    """An embedding model of OpenAI's API, or of a server with the same API.

    The key is read from the environment only: `OPENAI_API_KEY`, or the variable in `SERVERS`.
    OpenAI's models embed queries and documents alike; a server that has a parameter for the role
    gets it. No request exceeds the server's limits, and a text that occurs several times is sent
    once.

    Args:
        model: The model's name, such as "text-embedding-3-small".
        provider: A name in `SERVERS`, such as "voyage" or "ollama".
        base_url: The server's address; by default from the environment, such as
            `OPENAI_BASE_URL`, else the provider's own.
        dimensions: Length of the vectors, if the model can shorten them.
        batch_size: Texts per call, spread over up to `concurrency` requests; by default 32 texts
            per request.
        concurrency: Concurrent requests.
        max_retries: Retries after rate limits, failures of the server and lost connections.
        timeout: Seconds that one attempt may take, from the connection to the answer's last byte.

    Raises:
        MissingExtraError: If the extra `openai` is not installed.
        MissingKeyError: If the environment holds no key, or no address of a provider that has none
            for everybody; nothing has been sent.
        UnknownModelError: If the address is no URL.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        model: str,
        *,
        provider: str = "openai",
        base_url: str | None = None,
        dimensions: int | None = None,
        batch_size: int = 128,
        concurrency: int = 4,
        max_retries: int = 5,
        timeout: float = 60.0,
    ) -> None:
        require_extra("openai")
        check_at_least_one(dimensions=dimensions, batch_size=batch_size, concurrency=concurrency)
        self.model_name = model
        self.provider = provider
        self.dimensions = dimensions
        self.batch_size = batch_size
        self.concurrency = concurrency
        self.max_retries = max_retries
        if provider not in SERVERS:
            raise ValueError(f"provider: expected one of {', '.join(SERVERS)}, got {provider!r}")
        self._server = SERVERS[provider]
        address = base_url or self._server.address()
        self._clients = PerProcess(lambda: _client(self._server, address, timeout))

    @property
    def _client(self) -> "OpenAI":
        return self._clients.get()

    @property
    def identity(self) -> str:
        """Identifier of the vectors: model, dimensions and server, without the key."""
        settings = {"dimensions": self.dimensions, "base_url": str(self._client.base_url)}
        return identity_from(self.provider, self.model_name, settings)

    @property
    def separates_roles(self) -> bool:
        """Whether the server embeds queries and documents differently by itself."""
        return self._server.role is not None

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None if it is not known before they are embedded."""
        return self.dimensions or dim_of_known(self.model_name)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of queries, `(len(texts), dim)`.

        Raises:
            ProviderRefusedError: If the provider rejects the key.
            ProviderError: If the request fails after all retries, or its answer is not one vector
                of finite numbers per text.
        """
        return self._embed(texts, "query")

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents; otherwise as `embed_queries`."""
        return self._embed(texts, "document")

    def _embed(self, texts: Sequence[str], role: Role) -> Vectors:
        return embed_in_requests(
            lambda part: self._send(part, role),
            texts,
            limit=self._server.texts_per_request,
            concurrency=self.concurrency,
            max_tokens=self._server.tokens_per_request,
        )

    def _send(self, texts: Sequence[str], role: Role) -> Vectors:
        from query_adapters.providers.retries import retrying_in_thread

        name = f"{self.provider}:{self.model_name}"
        policy = retrying_in_thread(attempts=self.max_retries + 1, backoff=BACKOFF)
        content = policy(self._answer, name, list(texts), role)
        rows = rows_in_order(content, len(texts), model=name)
        return vectors_of(rows, len(texts), model=name, dimensions=self.dimensions)

    def _answer(self, name: str, texts: list[str], role: Role) -> bytes:
        """Return the body of the answer to one request."""
        with failures_of(name):
            answer = self._client.embeddings.with_raw_response.create(
                model=self.model_name,
                input=texts,
                encoding_format=self._server.encoding,
                extra_body=self._server.body(role, self.dimensions),
            )
            return answer.http_response.content


def _client(server: Server, address: str, timeout: float) -> "OpenAI":
    key = server.key()
    from httpx import InvalidURL
    from openai import OpenAI

    from query_adapters.providers.http_client import LimitedClient

    remember_secrets_in(address)
    with suppress(InvalidURL):  # its text may be a part of a password
        return OpenAI(
            api_key=key,
            base_url=address,
            max_retries=0,  # retried here, as answers without use are too
            timeout=timeout,
            http_client=LimitedClient(seconds=timeout),
        )
    raise UnknownModelError(
        f"expected an address such as https://host/v1 in base_url or {server.url_variable}, got "
        "one that is no URL; correct it"
    )
