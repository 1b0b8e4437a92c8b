"""Fine-tune engines: `finetune()`, then `get_finetuned_model()`."""

from llama_index_finetune_plugin.engines.adapter import EmbeddingAdapterFinetuneEngine
from llama_index_finetune_plugin.engines.base import BaseEmbeddingFinetuneEngine
from llama_index_finetune_plugin.engines.fusion import (
    FusionFinetuneEngine,
    HybridWeightFinetuneEngine,
)
from llama_index_finetune_plugin.engines.labelfree import LabelFreeFinetuneEngine
from llama_index_finetune_plugin.engines.many import finetune_many
from llama_index_finetune_plugin.engines.sentence_transformers import (
    SentenceTransformersFinetuneEngine,
)
from llama_index_finetune_plugin.engines.upgrade import ModelUpgradeEngine

__all__ = [
    "BaseEmbeddingFinetuneEngine",
    "EmbeddingAdapterFinetuneEngine",
    "FusionFinetuneEngine",
    "HybridWeightFinetuneEngine",
    "LabelFreeFinetuneEngine",
    "ModelUpgradeEngine",
    "SentenceTransformersFinetuneEngine",
    "finetune_many",
]
