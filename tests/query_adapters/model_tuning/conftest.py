"""Fixtures with a tiny untrained model and a toy data set that it can learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.model_tuning import TowerFinetuneEngine, TowerResult
from tests.tiny_model import LEARNS, save_tiny_model, toy_dataset


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a two-layer BERT with random weights."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "tiny-bert")


@pytest.fixture
def base(tiny: str) -> SentenceTransformer:
    return SentenceTransformer(tiny, device="cpu")


@pytest.fixture(scope="session")
def toy() -> RetrievalDataset:
    return toy_dataset()


@pytest.fixture(scope="session")
def shuffled(toy: RetrievalDataset) -> RetrievalDataset:
    """Return the toy dataset with the labels permuted over the questions."""
    order = np.random.default_rng(0).permutation(len(toy.queries))
    grades = list(toy.qrels.values())
    shuffled = {query: grades[place] for query, place in zip(toy.qrels, order, strict=True)}
    return RetrievalDataset(toy.queries, toy.corpus, shuffled)


def tune(dataset: RetrievalDataset, model_id: str, folder: Path, **options: Any) -> TowerResult:
    settings = {**LEARNS, "show_progress_bar": False, "device": "cpu", **options}
    engine = TowerFinetuneEngine(dataset, model_id, model_output_path=folder, **settings)
    engine.finetune()
    return engine.result


@pytest.fixture(scope="session")
def full(toy: RetrievalDataset, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> TowerResult:
    return tune(toy, tiny, tmp_path_factory.mktemp("full") / "tuned")


@pytest.fixture(scope="session")
def query_tower(
    toy: RetrievalDataset, tiny: str, tmp_path_factory: pytest.TempPathFactory
) -> TowerResult:
    return tune(toy, tiny, tmp_path_factory.mktemp("query") / "tuned", train="query")
