"""Watch what serves: what retrievers show, and whether all is still as it was in training."""

from query_adapters.monitoring.diagnosis import Check, Diagnosis
from query_adapters.monitoring.doctor import diagnose
from query_adapters.monitoring.drift import QuestionDrift, question_drift
from query_adapters.monitoring.watching import WatchOptions, shown_lists

__all__ = [
    "Check",
    "Diagnosis",
    "QuestionDrift",
    "WatchOptions",
    "diagnose",
    "question_drift",
    "shown_lists",
]
