"""Providers and servers with OpenAI's API of embeddings, and in what they differ from it."""

import os
from dataclasses import dataclass
from typing import Any, Literal

from query_adapters.errors import MissingKeyError
from query_adapters.providers.naming import key_from

NO_KEY = "none"  # what the SDK sends to a server that checks no key


@dataclass(frozen=True, kw_only=True)
class Server:
    """A provider, or a server of one's own.

    Attributes:
        base_url: Its address; None if there is none for everybody.
        url_variable: The environment variable of another address.
        url_path: What follows an address in that variable.
        key_variable: The environment variable of the key.
        needs_key: Whether it refuses requests without a key.
        texts_per_request: The most texts that it takes at once.
        tokens_per_request: The most tokens that it takes at once; None for no limit.
        encoding: How it sends numbers, "base64" or "float"; both are read.
        dimensions: Its name for the length of the vectors.
        role: Its name for the role of the texts; None if it has none.
        query: The role of queries.
        document: The role of documents.
    """

    base_url: str | None = None
    url_variable: str
    url_path: str = ""
    key_variable: str
    needs_key: bool = True
    texts_per_request: int = 2048
    tokens_per_request: int | None = None
    encoding: Literal["float", "base64"] = "float"
    dimensions: str = "dimensions"
    role: str | None = None
    query: str = ""
    document: str = ""

    def address(self) -> str:
        """Return the address from the environment, else its own.

        Raises:
            MissingKeyError: If there is neither; nothing has been sent.
        """
        given = os.environ.get(self.url_variable, "").strip()
        if given:
            return given.rstrip("/") + self.url_path
        if self.base_url is None:
            raise MissingKeyError(
                f"expected an address in the environment variable {self.url_variable}, got none; "
                "set it, nothing has been sent"
            )
        return self.base_url

    def key(self) -> str:
        """Return the key from the environment.

        Raises:
            MissingKeyError: If there is none, and the server needs one.
        """
        try:
            return key_from(self.key_variable)
        except MissingKeyError:
            if self.needs_key:
                raise
            return NO_KEY

    def body(self, role: str, dimensions: int | None) -> dict[str, Any]:
        """Return what stands in a request beside the model and the texts.

        Args:
            role: "query" or "document".
            dimensions: Length of the vectors; None for the model's own.
        """
        length = {} if dimensions is None else {self.dimensions: dimensions}
        roles = {"query": self.query, "document": self.document}
        return length if self.role is None else {**length, self.role: roles[role]}


def _local(name: str, port: int, **settings: Any) -> Server:
    return Server(
        base_url=f"http://localhost:{port}/v1",
        url_variable=f"{name}_BASE_URL",
        key_variable=f"{name}_API_KEY",
        needs_key=False,
        **settings,
    )


SERVERS: dict[str, Server] = {
    "openai": Server(
        base_url="https://api.openai.com/v1",
        url_variable="OPENAI_BASE_URL",
        key_variable="OPENAI_API_KEY",
        tokens_per_request=300_000,
        encoding="base64",
    ),
    "azure": Server(  # the model is the name of the deployment
        url_variable="AZURE_OPENAI_ENDPOINT",
        url_path="/openai/v1",
        key_variable="AZURE_OPENAI_API_KEY",
        tokens_per_request=300_000,
        encoding="base64",
    ),
    "voyage": Server(
        base_url="https://api.voyageai.com/v1",
        url_variable="VOYAGE_BASE_URL",
        key_variable="VOYAGE_API_KEY",
        texts_per_request=1000,
        tokens_per_request=120_000,  # of the models with the lowest limit
        encoding="base64",  # there is no other name
        dimensions="output_dimension",
        role="input_type",
        query="query",
        document="document",
    ),
    "jina": Server(
        base_url="https://api.jina.ai/v1",
        url_variable="JINA_BASE_URL",
        key_variable="JINA_API_KEY",
        texts_per_request=512,
        role="task",
        query="retrieval.query",
        document="retrieval.passage",
    ),
    "mistral": Server(
        base_url="https://api.mistral.ai/v1",
        url_variable="MISTRAL_BASE_URL",
        key_variable="MISTRAL_API_KEY",
        texts_per_request=512,
        tokens_per_request=16_000,
        dimensions="output_dimension",
    ),
    "gemini": Server(
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        url_variable="GEMINI_BASE_URL",
        key_variable="GEMINI_API_KEY",
        texts_per_request=100,
    ),
    "vllm": _local("VLLM", 8000),
    "tei": _local("TEI", 8080, texts_per_request=32),  # --max-client-batch-size
    "llama.cpp": _local("LLAMA_CPP", 8080),
    "ollama": _local("OLLAMA", 11434),
    "lm-studio": _local("LM_STUDIO", 1234),
    "litellm": _local("LITELLM", 4000),
}
"""Servers by the provider's name in `resolve_embedder`; add one of your own with a name here and
in `EMBEDDERS`."""
