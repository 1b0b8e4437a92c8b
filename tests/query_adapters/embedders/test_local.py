"""Tests of local models without torch, with the real packages where they are installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters import resolve_embedder
from query_adapters.embedders import Model2VecEmbedder, TextEmbedder, WordLlamaEmbedder
from query_adapters.errors import UnknownModelError

WORDS = ["[UNK]", "harbour", "street", "number"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a model2vec model of four words."""
    model2vec = pytest.importorskip("model2vec")
    tokenizers: Any = pytest.importorskip("tokenizers")
    words = tokenizers.models.WordLevel({word: n for n, word in enumerate(WORDS)}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vectors = np.eye(4, 8, dtype=np.float32)
    model2vec.StaticModel(vectors, tokenizer, normalize=True).save_pretrained(tmp_path / "small")
    return tmp_path / "small"


def check(model: TextEmbedder, dim: int) -> None:
    """Check what every model promises."""
    vectors = model.embed_documents(["harbour street", "number", "harbour street"])
    assert vectors.shape == (3, dim)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_array_equal(model.embed_queries(["number"]), vectors[1:2])
    assert model.embed_documents([]).shape == (0, 0)


def test_a_model2vec_model_is_loaded_from_its_folder(folder: Path) -> None:
    model = Model2VecEmbedder(str(folder))
    check(model, 8)
    assert resolve_embedder(f"model2vec/{folder}").identity == model.identity


def test_the_model_of_wordllama_needs_no_download() -> None:
    pytest.importorskip("wordllama")
    whole = resolve_embedder("wordllama/l2_supercat")
    check(whole, 256)
    short = WordLlamaEmbedder(dimensions=64)
    check(short, 64)
    assert short.identity != whole.identity
    with pytest.raises(UnknownModelError, match="comes with wordllama"):
        WordLlamaEmbedder("another")


def test_an_unknown_model_of_fastembed_is_named() -> None:
    pytest.importorskip("fastembed")
    with pytest.raises(UnknownModelError, match="expected a model of FastEmbed"):
        resolve_embedder("fastembed/my/model")
