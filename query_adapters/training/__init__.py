"""Training: prior, objective, solver, selection, guard and verdict (extra: train)."""

from query_adapters._extras import require_extra

require_extra("train")

from query_adapters.training.candidates import CandidateScore
from query_adapters.training.decision import Evidence
from query_adapters.training.memory import MEMORIES, MemorySettings, memories_of
from query_adapters.training.result import TrainingResult
from query_adapters.training.trainer import AdapterTrainer
from query_adapters.training.verdict import Verdict
from query_adapters.training.whitening import WhiteningResult, whiten, whitening_adapter

__all__ = [
    "MEMORIES",
    "AdapterTrainer",
    "CandidateScore",
    "Evidence",
    "MemorySettings",
    "TrainingResult",
    "Verdict",
    "WhiteningResult",
    "memories_of",
    "whiten",
    "whitening_adapter",
]
