"""Both integrations by name, and the vector stores of both."""

from collections.abc import Callable

import pytest

from tests.integrations.framework import Framework
from tests.integrations.langchain import LANGCHAIN
from tests.integrations.llama_index import LLAMA_INDEX
from tests.stores.kind import StoreKind

FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework for framework in (LLAMA_INDEX, LANGCHAIN)
}


def each_store(condition: Callable[[StoreKind], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Parametrize a test over `framework` and `name` of every kind of store that qualifies."""
    pairs = [
        pytest.param(framework.name, name, id=f"{framework.name}-{name}")
        for framework in FRAMEWORKS.values()
        for name, kind in framework.stores.kinds.items()
        if condition(kind)
    ]
    return pytest.mark.parametrize(("framework", "name"), pairs, indirect=["framework"])
