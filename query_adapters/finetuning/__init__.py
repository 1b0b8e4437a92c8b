"""The fine-tuning engines: a dataset and an embedding model in, a saved adapter out.

Importing this package does not load scipy; constructing an engine does (extra: train).
"""

from query_adapters.finetuning.base import FinetuneEngine
from query_adapters.finetuning.engine import AdapterFinetuneEngine, LabelFreeEngine

__all__ = ["AdapterFinetuneEngine", "FinetuneEngine", "LabelFreeEngine"]
