"""Fine-tune retrieval in LangChain for your own questions, without touching your vector store."""

from query_adapters._extras import require_extra

require_extra("langchain")

from langchain_adapter.embeddings import AdapterEmbeddings, LinearAdapterEmbeddings

__all__ = ["AdapterEmbeddings", "LinearAdapterEmbeddings"]
