"""Fine-tune engines: `finetune()`, then `get_finetuned_model()`."""

from langchain_adapter.engines.adapter import EmbeddingAdapterFinetuneEngine
from langchain_adapter.engines.fusion import FusionFinetuneEngine, HybridWeightFinetuneEngine
from langchain_adapter.engines.labelfree import LabelFreeFinetuneEngine
from langchain_adapter.engines.many import finetune_many
from langchain_adapter.engines.sentence_transformers import SentenceTransformersFinetuneEngine
from langchain_adapter.engines.upgrade import ModelUpgradeEngine

__all__ = [
    "EmbeddingAdapterFinetuneEngine",
    "FusionFinetuneEngine",
    "HybridWeightFinetuneEngine",
    "LabelFreeFinetuneEngine",
    "ModelUpgradeEngine",
    "SentenceTransformersFinetuneEngine",
    "finetune_many",
]
