"""Exact words: BM25 over the texts of an index (extra: hybrid)."""

from query_adapters.lexical.index import LexicalIndex
from query_adapters.lexical.matching import LexicalMatch
from query_adapters.lexical.tokenizer import Tokenizer

__all__ = ["LexicalIndex", "LexicalMatch", "Tokenizer"]
