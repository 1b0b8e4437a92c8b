"""See whether live questions are still those that an adapter was trained on."""

from query_adapters.monitoring.drift import QuestionDrift, question_drift

__all__ = ["QuestionDrift", "question_drift"]
