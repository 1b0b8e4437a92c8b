"""Where vectors come from: any model that embeds questions and documents, each in its role.

The SDK of a provider is imported when a model of it is made, not before.
"""

from query_adapters.embedders.batching import embed_in_requests
from query_adapters.embedders.cohere import CohereEmbedder
from query_adapters.embedders.openai import OpenAIEmbedder
from query_adapters.embedders.protocol import TextEmbedder
from query_adapters.embedders.resolve import EMBEDDERS, resolve_embedder
from query_adapters.embedders.sentence_transformers import SentenceTransformerEmbedder

__all__ = [
    "EMBEDDERS",
    "CohereEmbedder",
    "OpenAIEmbedder",
    "SentenceTransformerEmbedder",
    "TextEmbedder",
    "embed_in_requests",
    "resolve_embedder",
]
