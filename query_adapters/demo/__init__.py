"""Real data and models on every machine, so that a first look needs no network (extra: demo)."""

from query_adapters.demo.dataset import read_dataset
from query_adapters.demo.model import packaged_model, write_word_model

__all__ = ["packaged_model", "read_dataset", "write_word_model"]
