"""Contract tests for stores, embedding models and retrievers of your own (extra: testing).

A class of a few lines that inherits a suite is the whole test file.
"""

from query_adapters._extras import require_extra

require_extra("testing")

import pytest

pytest.register_assert_rewrite(
    "query_adapters.testing.embedder_suite",
    "query_adapters.testing.retriever_suite",
    "query_adapters.testing.source_suite",
)

from query_adapters.testing.embedder_suite import TextEmbedderSuite
from query_adapters.testing.retriever_suite import RetrieverSuite
from query_adapters.testing.rows import Row
from query_adapters.testing.source_suite import VectorSourceSuite

__all__ = ["RetrieverSuite", "Row", "TextEmbedderSuite", "VectorSourceSuite"]
