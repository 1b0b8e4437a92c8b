"""Embedding models of Cohere (extra: cohere)."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from query_adapters._extras import require_extra
from query_adapters.embedders.batching import check_at_least_one, embed_in_requests
from query_adapters.embedders.identity import identity_from
from query_adapters.embedders.known_models import dim_of_known
from query_adapters.processes.forks import PerProcess
from query_adapters.providers.answers import vectors_of
from query_adapters.providers.failures import failures_of
from query_adapters.providers.naming import key_from
from query_adapters.typing import Vectors

if TYPE_CHECKING:
    from cohere import ClientV2

KEY_VARIABLES = ("CO_API_KEY", "COHERE_API_KEY")
URL_VARIABLE = "CO_API_URL"
BACKOFF = 1.0  # the most seconds before the second attempt; doubled each time
TEXTS_PER_REQUEST = 96  # the API's limit
TOKENS_PER_REQUEST = 128_000
InputType = Literal["search_query", "search_document"]


class CohereEmbedder:
    """An embedding model of Cohere's API; the key is read from `CO_API_KEY` only.

    Queries are sent as `search_query`, documents as `search_document`. `CO_API_URL` sets another
    server with the same API.

    Args:
        model: The model's name, such as "embed-v4.0".
        dimensions: Length of the vectors (`output_dimension`), if the model can shorten them.
        batch_size: Texts per call, spread over up to `concurrency` requests.
        concurrency: Concurrent requests.
        max_retries: Retries after rate limits, failures of the server and lost connections.
        timeout: Seconds that one attempt may take, from the connection to the answer's last byte.

    Raises:
        MissingExtraError: If the extra `cohere` is not installed.
        MissingKeyError: If the environment holds no key; nothing has been sent.
        ValueError: If a setting is out of range.
    """

    separates_roles = True

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        batch_size: int = 384,
        concurrency: int = 4,
        max_retries: int = 5,
        timeout: float = 60.0,
    ) -> None:
        require_extra("cohere")
        check_at_least_one(dimensions=dimensions, batch_size=batch_size, concurrency=concurrency)
        self.model_name = model
        self.dimensions = dimensions
        self.batch_size = batch_size
        self.concurrency = concurrency
        self.max_retries = max_retries
        self._clients = PerProcess(lambda: _client(timeout))
        self._base_url = os.environ.get(URL_VARIABLE)

    @property
    def _client(self) -> "ClientV2":
        return self._clients.get()

    @property
    def identity(self) -> str:
        """Identifier of the vectors: model, dimensions and server, without the key."""
        settings = {"dimensions": self.dimensions, "base_url": self._base_url}
        return identity_from("cohere", self.model_name, settings)

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
        return self._embed(texts, "search_query")

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents; otherwise as `embed_queries`."""
        return self._embed(texts, "search_document")

    def _embed(self, texts: Sequence[str], input_type: InputType) -> Vectors:
        return embed_in_requests(
            lambda part: self._send(part, input_type),
            texts,
            limit=TEXTS_PER_REQUEST,
            concurrency=self.concurrency,
            max_tokens=TOKENS_PER_REQUEST,
        )

    def _send(self, texts: Sequence[str], input_type: InputType) -> Vectors:
        from query_adapters.providers.retries import retrying_in_thread

        name = f"cohere:{self.model_name}"
        policy = retrying_in_thread(attempts=self.max_retries + 1, backoff=BACKOFF)
        rows = policy(self._answer, name, list(texts), input_type)
        return vectors_of(rows, len(texts), model=name, dimensions=self.dimensions)

    def _answer(self, name: str, texts: list[str], input_type: InputType) -> Any:
        """Return the vectors in the answer to one request, as the SDK found them."""
        from cohere.base_client import OMIT

        with failures_of(name):
            answer = self._client.embed(
                model=self.model_name,
                texts=texts,
                input_type=input_type,
                output_dimension=self.dimensions or OMIT,
                embedding_types=["float"],
                request_options={"max_retries": 0},  # retried here, as answers without use are too
            )
            return getattr(answer.embeddings, "float_", answer.embeddings)


def _client(timeout: float) -> "ClientV2":
    key = key_from(*KEY_VARIABLES)
    from cohere import ClientV2

    from query_adapters.providers.http_client import LimitedClient

    return ClientV2(
        api_key=key,
        base_url=os.environ.get(URL_VARIABLE),
        timeout=timeout,
        httpx_client=LimitedClient(seconds=timeout),
    )
