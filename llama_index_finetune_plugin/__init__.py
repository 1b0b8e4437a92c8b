"""Fine-tune retrieval in LlamaIndex for your own questions, without touching your index."""

from query_adapters._extras import require_extra

require_extra("llama-index")

from llama_index_finetune_plugin.dataset import EmbeddingQAFinetuneDataset
from llama_index_finetune_plugin.embedding import AdapterEmbedding, LinearAdapterEmbedding
from llama_index_finetune_plugin.engines import (
    EmbeddingAdapterFinetuneEngine,
    LabelFreeFinetuneEngine,
    SentenceTransformersFinetuneEngine,
)
from llama_index_finetune_plugin.evaluation import RetrieverEvaluator
from llama_index_finetune_plugin.generation import generate_qa_embedding_pairs

__all__ = [
    "AdapterEmbedding",
    "EmbeddingAdapterFinetuneEngine",
    "EmbeddingQAFinetuneDataset",
    "LabelFreeFinetuneEngine",
    "LinearAdapterEmbedding",
    "RetrieverEvaluator",
    "SentenceTransformersFinetuneEngine",
    "generate_qa_embedding_pairs",
]
