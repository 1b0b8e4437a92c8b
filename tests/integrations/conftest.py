"""Run every test that takes `framework` once for each integration."""

import pytest

from tests.integrations.both import FRAMEWORKS
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

__all__ = ["adapter", "base", "make_adapter", "make_base", "make_store", "output", "secret"]


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> Framework:
    """Return one of the two integrations."""
    return FRAMEWORKS[request.param]
