"""LlamaIndex models of two providers, connected to a local server."""

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import LLM
from llama_index.embeddings.cohere import CohereEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.cohere import Cohere
from llama_index.llms.openai import OpenAI

from tests.servers.chat import ChatServer
from tests.servers.embeddings import DIM, KEY, EmbeddingServer


def of_openai(
    server: EmbeddingServer, *, tries: int = 3, key: str = KEY, **options: Any
) -> BaseEmbedding:
    return OpenAIEmbedding(
        model="text-embedding-3-small", api_base=f"{server.url}/v1", api_key=key,
        embed_batch_size=16, dimensions=DIM, max_retries=tries - 1, **options,
    )  # fmt: skip


def of_cohere(
    server: EmbeddingServer, *, tries: int = 3, key: str = KEY, **options: Any
) -> BaseEmbedding:
    """Return Cohere's model without LlamaIndex's retries, which wait for seconds.

    Cohere's client itself tries three times.
    """
    return CohereEmbedding(
        model_name="embed-english-v3.0", base_url=server.url, api_key=key, embed_batch_size=64,
        max_retries=1, **options,
    )  # fmt: skip


MODELS = {"openai": of_openai, "cohere": of_cohere}


def openai_llm(server: ChatServer) -> LLM:
    return OpenAI(model="gpt-4o-mini", api_base=f"{server.url}/v1", api_key="k", max_retries=0)


def cohere_llm(server: ChatServer) -> LLM:
    return Cohere(model="command-r", base_url=server.url, api_key="k", max_retries=1)


LLMS = {"openai": openai_llm, "cohere": cohere_llm}
