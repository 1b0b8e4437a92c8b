"""The learned retriever: similarity, exact words, votes and hubness, with learned weights."""

from query_adapters.fusion.evaluate import evaluate_fusion, evaluate_hybrids
from query_adapters.fusion.explain import explain_fusion
from query_adapters.fusion.features import DESCRIPTIONS, FEATURES
from query_adapters.fusion.head import ScoringHead
from query_adapters.fusion.model import FusionModel, FusionQuery, RankedDocument
from query_adapters.fusion.storage import SavedFusion, read_fusion

__all__ = [
    "DESCRIPTIONS",
    "FEATURES",
    "FusionModel",
    "FusionQuery",
    "RankedDocument",
    "SavedFusion",
    "ScoringHead",
    "evaluate_fusion",
    "evaluate_hybrids",
    "explain_fusion",
    "read_fusion",
]
