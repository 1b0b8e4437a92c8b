"""Data and models for offline demos (extra: demo)."""

from query_adapters.demo.dataset import read_dataset
from query_adapters.demo.model import packaged_model, write_word_model

__all__ = ["packaged_model", "read_dataset", "write_word_model"]
