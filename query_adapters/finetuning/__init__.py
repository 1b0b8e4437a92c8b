"""The finetune engines: a dataset and an embedding model in, a saved adapter out.

Importing this package loads no scipy; an engine loads it when it is made (extra: train).
"""

from query_adapters.finetuning.engine import AdapterFinetuneEngine, FinetuneEngine, LabelFreeEngine

__all__ = ["AdapterFinetuneEngine", "FinetuneEngine", "LabelFreeEngine"]
