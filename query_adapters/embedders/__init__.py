"""Embedding models: any model that embeds queries and documents in their roles.

A provider's SDK is imported when one of its models is constructed.
"""

from query_adapters.embedders.batching import embed_in_requests
from query_adapters.embedders.cohere import CohereEmbedder
from query_adapters.embedders.local import (
    FastEmbedEmbedder,
    Model2VecEmbedder,
    WordLlamaEmbedder,
)
from query_adapters.embedders.openai import OpenAIEmbedder
from query_adapters.embedders.openai_servers import SERVERS, Server
from query_adapters.embedders.prefixes import PRESETS, Prefixes, preset_of
from query_adapters.embedders.prepared import PreparedEmbedder
from query_adapters.embedders.protocol import TextEmbedder
from query_adapters.embedders.resolve import EMBEDDERS, resolve_embedder
from query_adapters.embedders.sentence_transformers import SentenceTransformerEmbedder

__all__ = [
    "EMBEDDERS",
    "PRESETS",
    "SERVERS",
    "CohereEmbedder",
    "FastEmbedEmbedder",
    "Model2VecEmbedder",
    "OpenAIEmbedder",
    "Prefixes",
    "PreparedEmbedder",
    "SentenceTransformerEmbedder",
    "Server",
    "TextEmbedder",
    "WordLlamaEmbedder",
    "embed_in_requests",
    "preset_of",
    "resolve_embedder",
]
