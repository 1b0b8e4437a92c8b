"""LangChain models of two providers, connected to a local server."""

from typing import Any

from langchain_cohere import ChatCohere, CohereEmbeddings
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from tests.servers.chat import ChatServer
from tests.servers.embeddings import DIM, KEY, EmbeddingServer


def of_openai(server: EmbeddingServer, *, tries: int = 3, key: str = KEY) -> Embeddings:
    return OpenAIEmbeddings(
        model="text-embedding-3-small", base_url=f"{server.url}/v1", api_key=SecretStr(key),
        check_embedding_ctx_length=False, chunk_size=16, dimensions=DIM, max_retries=tries - 1,
    )  # fmt: skip


def of_cohere(server: EmbeddingServer, *, tries: int = 3, key: str = KEY) -> Embeddings:
    """Return Cohere's model without LangChain's retries, which wait for seconds.

    Cohere's client itself tries three times.
    """
    secret: Any = key  # langchain-cohere 0.6 sends a SecretStr as asterisks
    return CohereEmbeddings(
        model="embed-english-v3.0", base_url=server.url, cohere_api_key=secret,
        client=None, async_client=None, max_retries=1,
    )  # fmt: skip


MODELS = {"openai": of_openai, "cohere": of_cohere}


def openai_llm(server: ChatServer) -> BaseChatModel:
    settings: dict[str, Any] = {"base_url": f"{server.url}/v1", "api_key": "k", "max_retries": 0}
    return ChatOpenAI(model="gpt-4o-mini", **settings)


def cohere_llm(server: ChatServer) -> BaseChatModel:
    settings: dict[str, Any] = {"base_url": server.url, "cohere_api_key": "k"}
    return ChatCohere(model="command-r", **settings)


LLMS = {"openai": openai_llm, "cohere": cohere_llm}
