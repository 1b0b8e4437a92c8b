"""Fine-tuning the open model itself, whole or its query tower (extra: sentence-transformers).

The query tower embeds questions, the document tower documents; in most models they are one.
"""

from query_adapters._extras import require_extra

require_extra("sentence-transformers")
require_extra("train")


from query_adapters.model_tuning.engine import TowerFinetuneEngine, TowerOptions
from query_adapters.model_tuning.export import export_adapter
from query_adapters.model_tuning.finetuner import TowerFinetuner, TowerResult
from query_adapters.model_tuning.settings import TowerSettings

__all__ = [
    "TowerFinetuneEngine",
    "TowerFinetuner",
    "TowerOptions",
    "TowerResult",
    "TowerSettings",
    "export_adapter",
]
