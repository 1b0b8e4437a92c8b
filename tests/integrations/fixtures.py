"""Fixtures for tests that take `framework`: recording models, adapters and filled stores."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from tests.integrations.framework import Framework
from tests.integrations.recording import DIM, SECRET
from tests.stores.kind import Chunk, OpenStore
from tests.stores.place import Place


@pytest.fixture
def make_base(framework: Framework) -> Callable[..., Any]:
    """Return a function that makes a recording model; see `Framework.make_base`."""
    return framework.make_base


@pytest.fixture
def base(framework: Framework) -> Any:
    """A recording model."""
    return framework.make_base()


@pytest.fixture
def secret() -> str:
    """Return the API key of recording models."""
    return SECRET


@pytest.fixture
def make_adapter() -> Callable[..., LinearAdapter]:
    """Return a function that makes a linear adapter with random weights."""

    def make(seed: int = 0, *, dim: int = DIM, dim_out: int | None = None) -> LinearAdapter:
        shape = (dim if dim_out is None else dim_out, dim)
        return LinearAdapter(np.random.default_rng(seed).normal(size=shape))

    return make


@pytest.fixture
def adapter(make_adapter: Callable[..., LinearAdapter]) -> LinearAdapter:
    """Return a linear adapter with random weights."""
    return make_adapter()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Return the output folder for a trained adapter, which does not exist yet."""
    return tmp_path / "out"


@pytest.fixture
def make_store(framework: Framework, place: Place) -> Iterator[Callable[..., OpenStore]]:
    """Yield a function that fills a store, given the name of its kind, chunks and a model."""
    made: list[OpenStore] = []

    def make(name: str, chunks: Sequence[Chunk], model: Any) -> OpenStore:
        kind = framework.stores.kinds[name]
        made.append(OpenStore(kind, place, kind.fill(place, chunks, model), tuple(chunks)))
        return made[-1]

    yield make
    for opened in made:
        opened.kind.remove(opened.store)
