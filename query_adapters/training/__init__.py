"""How it is learned: prior, objective, solver, selection (extra: train)."""

from query_adapters._extras import require_extra

require_extra("train")

from query_adapters.training.candidates import CandidateScore
from query_adapters.training.trainer import AdapterTrainer, TrainingResult

__all__ = ["AdapterTrainer", "CandidateScore", "TrainingResult"]
