"""Watch what serves: what retrievers show, and whether questions are still those of training."""

from query_adapters.monitoring.drift import QuestionDrift, question_drift
from query_adapters.monitoring.watching import WatchOptions, shown_lists

__all__ = ["QuestionDrift", "WatchOptions", "question_drift", "shown_lists"]
