"""Fine-tune retrieval in LangChain for your own questions, without touching your vector store."""

from query_adapters._extras import require_extra

require_extra("langchain")

from langchain_adapter.generation import generate_questions

__all__ = ["generate_questions"]
