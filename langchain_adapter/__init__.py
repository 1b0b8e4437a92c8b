"""Fine-tune retrieval in LangChain for your own questions, without touching your vector store."""

from query_adapters._extras import require_extra

require_extra("langchain")

from langchain_adapter.documents import dataset_from_documents
from langchain_adapter.evaluation import RetrieverEvaluator, langsmith_evaluator

__all__ = ["RetrieverEvaluator", "dataset_from_documents", "langsmith_evaluator"]
