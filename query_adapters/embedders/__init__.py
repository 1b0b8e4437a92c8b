"""Where vectors come from: any model that embeds questions and documents, each in its role."""

from query_adapters.embedders.protocol import TextEmbedder

__all__ = ["TextEmbedder"]
