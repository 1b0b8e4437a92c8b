"""Learned weights of any retrievers, from their scores and ranks alone."""

from query_adapters.fusion.retrievers.lists import Ask, RetrievedList
from query_adapters.fusion.retrievers.scales import Scale
from query_adapters.fusion.retrievers.storage import read_weights, save_weights
from query_adapters.fusion.retrievers.weights import RetrieverWeights

__all__ = ["Ask", "RetrievedList", "RetrieverWeights", "Scale", "read_weights", "save_weights"]
