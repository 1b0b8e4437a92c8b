"""Fine-tune a sentence-transformers model, whole or only its query tower.

The query tower embeds questions, the document tower embeds documents; in most models they are the
same. Extras: sentence-transformers, train.
"""

from query_adapters._extras import require_extra

require_extra("sentence-transformers")
require_extra("train")

from query_adapters.model_tuning.engine import TowerFinetuneEngine, TowerOptions
from query_adapters.model_tuning.export import export_adapter
from query_adapters.model_tuning.finetuner import TowerFinetuner
from query_adapters.model_tuning.result import TowerResult
from query_adapters.model_tuning.settings import TowerSettings

__all__ = [
    "TowerFinetuneEngine",
    "TowerFinetuner",
    "TowerOptions",
    "TowerResult",
    "TowerSettings",
    "export_adapter",
]
