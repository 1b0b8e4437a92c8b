"""Evaluation: metrics, exact search and comparisons with intervals and tests."""

from query_adapters.evaluation.block_search import VectorBlocks, search_blocks
from query_adapters.evaluation.dataset_evaluator import DatasetEvaluator
from query_adapters.evaluation.evaluate import Evaluation, evaluate_run, evaluate_vectors
from query_adapters.evaluation.judging import Judged
from query_adapters.evaluation.metrics import DEFAULT_METRICS, METRICS, Metric
from query_adapters.evaluation.search import exact_search
from query_adapters.evaluation.streaming import QuestionBlock, evaluate_blocks
from query_adapters.typing import Similarity

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "DatasetEvaluator",
    "Evaluation",
    "Judged",
    "Metric",
    "QuestionBlock",
    "Similarity",
    "VectorBlocks",
    "evaluate_blocks",
    "evaluate_run",
    "evaluate_vectors",
    "exact_search",
    "search_blocks",
]
