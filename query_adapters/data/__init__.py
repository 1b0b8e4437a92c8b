"""Datasets: questions, documents and relevance judgements, as text and as vectors."""

from query_adapters.data.answers import AnsweredQuestion
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, embed_dataset
from query_adapters.data.paths import read_dataset, write_dataset
from query_adapters.data.splits import split_by_document, split_by_query

__all__ = [
    "AnsweredQuestion",
    "EmbeddedDataset",
    "RetrievalDataset",
    "embed_dataset",
    "read_dataset",
    "split_by_document",
    "split_by_query",
    "write_dataset",
]
