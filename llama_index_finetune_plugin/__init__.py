"""Fine-tune retrieval in LlamaIndex for your own questions, without touching your index."""

from query_adapters._extras import require_extra

require_extra("llama-index")

from llama_index_finetune_plugin._queries import QUERY_BATCH_METHODS
from llama_index_finetune_plugin.cached import CachedEmbedding
from llama_index_finetune_plugin.canary import CanaryRetriever
from llama_index_finetune_plugin.dataset import EmbeddingQAFinetuneDataset
from llama_index_finetune_plugin.embedder import LlamaIndexEmbedder
from llama_index_finetune_plugin.embedding import AdapterEmbedding, LinearAdapterEmbedding
from llama_index_finetune_plugin.encoded import EncodedEmbedding
from llama_index_finetune_plugin.engines import (
    EmbeddingAdapterFinetuneEngine,
    FusionFinetuneEngine,
    HybridWeightFinetuneEngine,
    LabelFreeFinetuneEngine,
    ModelUpgradeEngine,
    SentenceTransformersFinetuneEngine,
    finetune_many,
)
from llama_index_finetune_plugin.evaluation import RetrieverEvaluator, evaluate_index
from llama_index_finetune_plugin.fusion import FusionRetriever
from llama_index_finetune_plugin.generation import generate_qa_embedding_pairs
from llama_index_finetune_plugin.interleaved import InterleavedRetriever
from llama_index_finetune_plugin.locating import locate, relocate
from llama_index_finetune_plugin.migrating import MigratingRetriever
from llama_index_finetune_plugin.named import NamedEmbedding
from llama_index_finetune_plugin.nodes import dataset_from_nodes
from llama_index_finetune_plugin.prepared import PreparedEmbedding
from llama_index_finetune_plugin.stores import check_prefix, stored_vectors
from llama_index_finetune_plugin.tenants import TenantAdapterEmbedding
from llama_index_finetune_plugin.two_models import TwoModelEmbedding
from llama_index_finetune_plugin.watching import RetrievalEventHandler
from llama_index_finetune_plugin.weighted import WeightedFusionRetriever

__all__ = [
    "QUERY_BATCH_METHODS",
    "AdapterEmbedding",
    "CachedEmbedding",
    "CanaryRetriever",
    "EmbeddingAdapterFinetuneEngine",
    "EmbeddingQAFinetuneDataset",
    "EncodedEmbedding",
    "FusionFinetuneEngine",
    "FusionRetriever",
    "HybridWeightFinetuneEngine",
    "InterleavedRetriever",
    "LabelFreeFinetuneEngine",
    "LinearAdapterEmbedding",
    "LlamaIndexEmbedder",
    "MigratingRetriever",
    "ModelUpgradeEngine",
    "NamedEmbedding",
    "PreparedEmbedding",
    "RetrievalEventHandler",
    "RetrieverEvaluator",
    "SentenceTransformersFinetuneEngine",
    "TenantAdapterEmbedding",
    "TwoModelEmbedding",
    "WeightedFusionRetriever",
    "check_prefix",
    "dataset_from_nodes",
    "evaluate_index",
    "finetune_many",
    "generate_qa_embedding_pairs",
    "locate",
    "relocate",
    "stored_vectors",
]
