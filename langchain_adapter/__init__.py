"""Fine-tune retrieval in LangChain for your own questions, without touching your vector store."""

from query_adapters._extras import require_extra

require_extra("langchain")

from langchain_adapter._queries import QUERY_BATCH_METHODS
from langchain_adapter.cached import CachedEmbeddings
from langchain_adapter.canary import CanaryRetriever
from langchain_adapter.documents import dataset_from_documents
from langchain_adapter.embedder import LangChainEmbedder
from langchain_adapter.embeddings import AdapterEmbeddings, LinearAdapterEmbeddings
from langchain_adapter.encoded import EncodedEmbeddings
from langchain_adapter.engines import (
    EmbeddingAdapterFinetuneEngine,
    FusionFinetuneEngine,
    HybridWeightFinetuneEngine,
    LabelFreeFinetuneEngine,
    ModelUpgradeEngine,
    SentenceTransformersFinetuneEngine,
    finetune_many,
)
from langchain_adapter.evaluation import (
    RetrieverEvaluator,
    evaluate_vectorstore,
    langsmith_evaluator,
)
from langchain_adapter.fusion import FusionRetriever
from langchain_adapter.generation import generate_questions
from langchain_adapter.interleaved import InterleavedRetriever
from langchain_adapter.locating import locate, relocate
from langchain_adapter.migrating import MigratingRetriever
from langchain_adapter.named import NamedEmbeddings
from langchain_adapter.prepared import PreparedEmbeddings
from langchain_adapter.stores import check_prefix, stored_vectors
from langchain_adapter.tenants import TenantAdapterEmbeddings
from langchain_adapter.two_models import TwoModelEmbeddings
from langchain_adapter.watching import RetrievalCallbackHandler
from langchain_adapter.weighted import WeightedFusionRetriever

__all__ = [
    "QUERY_BATCH_METHODS",
    "AdapterEmbeddings",
    "CachedEmbeddings",
    "CanaryRetriever",
    "EmbeddingAdapterFinetuneEngine",
    "EncodedEmbeddings",
    "FusionFinetuneEngine",
    "FusionRetriever",
    "HybridWeightFinetuneEngine",
    "InterleavedRetriever",
    "LabelFreeFinetuneEngine",
    "LangChainEmbedder",
    "LinearAdapterEmbeddings",
    "MigratingRetriever",
    "ModelUpgradeEngine",
    "NamedEmbeddings",
    "PreparedEmbeddings",
    "RetrievalCallbackHandler",
    "RetrieverEvaluator",
    "SentenceTransformersFinetuneEngine",
    "TenantAdapterEmbeddings",
    "TwoModelEmbeddings",
    "WeightedFusionRetriever",
    "check_prefix",
    "dataset_from_documents",
    "evaluate_vectorstore",
    "finetune_many",
    "generate_questions",
    "langsmith_evaluator",
    "locate",
    "relocate",
    "stored_vectors",
]
