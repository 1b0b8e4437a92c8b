"""Resolve chat models by name, such as "openai:gpt-4o-mini", through their providers' SDKs."""

import os
from collections.abc import Callable
from typing import Any

from query_adapters._extras import require_extra
from query_adapters.generation.protocol import TextGenerator
from query_adapters.processes.forks import PerProcess
from query_adapters.providers.failures import failures_of
from query_adapters.providers.naming import key_from, resolve

SECONDS = 600.0  # a whole request; `CallOptions.timeout` is usually shorter
MOST_BYTES = 16 * 2**20  # of an answer


class OpenAIGenerator:
    """A chat model of OpenAI's API (extra: openai); the key is read from `OPENAI_API_KEY` only.

    Args:
        model: The model's name, such as "gpt-4o-mini".

    Raises:
        MissingExtraError: If the extra is not installed.
        MissingKeyError: If the environment holds no key; nothing has been sent.
    """

    def __init__(self, model: str) -> None:
        require_extra("openai")
        key = key_from("OPENAI_API_KEY")
        from openai import AsyncOpenAI

        from query_adapters.providers.http_client import LimitedAsyncClient

        self.model_name = model

        def client() -> AsyncOpenAI:
            limited = LimitedAsyncClient(seconds=SECONDS, most_bytes=MOST_BYTES)
            return AsyncOpenAI(api_key=key, max_retries=0, http_client=limited)

        self._clients = PerProcess(client)

    async def complete(self, prompt: str) -> str:
        """Return the model's answer.

        Raises:
            ProviderRefusedError: If the provider rejects the key.
            ProviderError: If the request fails, or its answer cannot be used. The caller retries.
        """
        with failures_of(f"openai:{self.model_name}"):
            answer = await self._clients.get().chat.completions.create(
                model=self.model_name, messages=[{"role": "user", "content": prompt}]
            )
            return _text(answer.choices[0].message.content)


class CohereGenerator:
    """A chat model of Cohere's API (extra: cohere); the key is read from `CO_API_KEY` only.

    Args:
        model: The model's name, such as "command-a-03-2025".

    Raises:
        MissingExtraError: If the extra is not installed.
        MissingKeyError: If the environment holds no key; nothing has been sent.
    """

    def __init__(self, model: str) -> None:
        require_extra("cohere")
        key = key_from("CO_API_KEY", "COHERE_API_KEY")
        from cohere import AsyncClientV2

        from query_adapters.providers.http_client import LimitedAsyncClient

        self.model_name = model
        url = os.environ.get("CO_API_URL")

        def client() -> AsyncClientV2:
            limited = LimitedAsyncClient(seconds=SECONDS, most_bytes=MOST_BYTES)
            return AsyncClientV2(api_key=key, base_url=url, timeout=SECONDS, httpx_client=limited)

        self._clients = PerProcess(client)

    async def complete(self, prompt: str) -> str:
        """Return the model's answer; errors are those of `OpenAIGenerator.complete`."""
        from cohere import UserChatMessageV2

        with failures_of(f"cohere:{self.model_name}"):
            answer = await self._clients.get().chat(
                model=self.model_name,
                messages=[UserChatMessageV2(content=prompt)],
                request_options={"max_retries": 0},
            )
            parts = answer.message.content or []
            return "".join(_text(part.text) for part in parts if part.type == "text")


def _text(content: object) -> str:
    """Return the text of an answer, "" for none.

    Raises:
        TypeError: If it is no text.
    """
    if not isinstance(content, str | None):
        raise TypeError(f"expected text, got {type(content).__name__}")
    return content or ""


GENERATORS: dict[str, Callable[..., TextGenerator]] = {
    "openai": OpenAIGenerator,
    "cohere": CohereGenerator,
}
"""What makes a text generator from a model's name, by provider; register your own here."""


def resolve_generator(name: str, **options: Any) -> TextGenerator:
    """Return the chat model named `<provider>/<model>`.

    Args:
        name: "openai:gpt-4o-mini", "cohere:command-a-03-2025", or with another provider in
            `GENERATORS`.
        **options: Options of the generator.

    Raises:
        UnknownModelError: If the provider is unknown, or the model's name is missing.
        MissingExtraError: If the provider's SDK is not installed.
        MissingKeyError: If the environment holds no key for it.
    """
    return resolve(name, GENERATORS, **options)
