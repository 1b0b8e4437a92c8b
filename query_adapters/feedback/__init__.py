"""Feedback of users: log it, make a dataset of it, and train again from what serves now."""

from query_adapters.feedback.dataset import dataset_from_feedback
from query_adapters.feedback.labels import ClickLabels
from query_adapters.feedback.log import FeedbackLog
from query_adapters.feedback.propensities import Propensities
from query_adapters.feedback.reading import FeedbackRecords, read_log
from query_adapters.feedback.records import FeedbackEvent, ShownList
from query_adapters.feedback.result import FeedbackDataset
from query_adapters.feedback.spans import feedback_from_spans

__all__ = [
    "ClickLabels",
    "FeedbackDataset",
    "FeedbackEvent",
    "FeedbackLog",
    "FeedbackRecords",
    "Propensities",
    "ShownList",
    "dataset_from_feedback",
    "feedback_from_spans",
    "read_log",
]
