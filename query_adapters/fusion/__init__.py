"""Fusion: the exact words of a question beside its vector (extra: hybrid)."""

from query_adapters.fusion.lexical import LexicalIndex
from query_adapters.fusion.matching import LexicalMatch
from query_adapters.fusion.tokenizer import Tokenizer

__all__ = ["LexicalIndex", "LexicalMatch", "Tokenizer"]
