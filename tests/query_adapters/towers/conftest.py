"""A tiny model that knows nothing, and questions from which it can learn what words mean."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.dataset import RetrievalDataset
from tests.tiny_model import save_tiny_model, toy_dataset


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a two-layer BERT with random weights."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "tiny-bert")


@pytest.fixture(scope="session")
def toy() -> RetrievalDataset:
    return toy_dataset()


@pytest.fixture(scope="session")
def shuffled(toy: RetrievalDataset) -> RetrievalDataset:
    """The same questions, each with the answers of another one."""
    order = np.random.default_rng(0).permutation(len(toy.queries))
    grades = list(toy.qrels.values())
    dealt = {query: grades[place] for query, place in zip(toy.qrels, order, strict=True)}
    return RetrievalDataset(toy.queries, toy.corpus, dealt)


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """Settings under which the tiny model learns in seconds."""
    return {
        "model_output_path": tmp_path / "tuned",
        "learning_rate": 3e-3,
        "epochs": 4,
        "batch_size": 16,
        "evaluation_steps": 12,
        "show_progress_bar": False,
        "device": "cpu",
    }
