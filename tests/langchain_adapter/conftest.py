"""A recording model of LangChain."""

import pytest

from tests.integrations.fixtures import (
    adapter,
    base,
    make_adapter,
    make_base,
    make_store,
    output,
    secret,
)
from tests.integrations.framework import Framework
from tests.integrations.langchain import LANGCHAIN

__all__ = ["adapter", "base", "make_adapter", "make_base", "make_store", "output", "secret"]


@pytest.fixture
def framework() -> Framework:
    """The LangChain integration."""
    return LANGCHAIN
