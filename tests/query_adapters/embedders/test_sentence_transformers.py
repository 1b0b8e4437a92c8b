"""Tests of sentence-transformers models: roles, dimensions and identity."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from query_adapters.embedders import SentenceTransformerEmbedder, resolve_embedder
from query_adapters.errors import UnknownModelError
from tests.six_words import write_six_words


def test_a_question_gets_the_models_own_prompt_and_a_document_none(tmp_path: Path) -> None:
    model = resolve_embedder(f"sentence-transformers:{write_six_words(tmp_path / 'model')}")
    query, document = model.embed_queries(["how far"]), model.embed_documents(["how far"])
    third, half = 1 / 3, 0.5  # "query how far" is three words, "how far" is two
    np.testing.assert_allclose(query, [[0, third, third, third, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(document, [[0, 0, half, half, 0, 0]], rtol=1e-6)


def test_a_version_without_roles_embeds_both_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformerEmbedder(write_six_words(tmp_path / "model"))
    monkeypatch.delattr(SentenceTransformer, "encode_query")
    monkeypatch.delattr(SentenceTransformer, "encode_document")
    query, document = model.embed_queries(["far"]), model.embed_documents(["far"])
    np.testing.assert_array_equal(query, document)


def test_vectors_are_cut_to_the_dimensions_asked_for(tmp_path: Path) -> None:
    folder = write_six_words(tmp_path / "model")
    model = SentenceTransformerEmbedder(folder, dimensions=3)
    np.testing.assert_allclose(model.embed_documents(["how far"]), [[0, 0, 0.5]])
    assert model.identity != SentenceTransformerEmbedder(folder).identity


def test_more_dimensions_than_the_model_has_are_refused(tmp_path: Path) -> None:
    folder = write_six_words(tmp_path / "model")
    assert SentenceTransformerEmbedder(folder, dimensions=6).embed_queries(["far"]).shape == (1, 6)
    with pytest.raises(ValueError, match=r"dimensions: expected at most 6, .* got 7"):
        SentenceTransformerEmbedder(folder, dimensions=7)


def test_identity_goes_with_the_weights_and_not_with_the_place(tmp_path: Path) -> None:
    folder = write_six_words(tmp_path / "model")
    moved = folder.parent / "elsewhere" / folder.name
    shutil.copytree(folder, moved)
    identity = SentenceTransformerEmbedder(folder).identity
    assert SentenceTransformerEmbedder(moved, batch_size=1).identity == identity
    trained = write_six_words(tmp_path / "trained", scale=1.001)
    prompted = write_six_words(tmp_path / "prompted", prompt="how ")
    for other in (trained, prompted):
        shutil.rmtree(folder)
        shutil.copytree(other, folder)
        assert SentenceTransformerEmbedder(folder).identity != identity


def test_training_one_weight_of_many_changes_the_identity(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(write_six_words(tmp_path / "model", dim=64)), device="cpu")
    embedder = SentenceTransformerEmbedder.from_model(model, model_name="m")
    before, vector = embedder.identity, embedder.embed_documents(["mile"])
    model[0].get_parameter("embedding.weight").data[-1, -1] = 1
    assert (embedder.embed_documents(["mile"]) != vector).any()
    assert embedder.identity != before


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_of_every_kind_count(kind: str, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    folder = str(write_six_words(tmp_path / "model"))
    identities = {
        SentenceTransformerEmbedder.from_model(model, model_name="m").identity
        for model in (
            SentenceTransformer(folder, device="cpu"),
            SentenceTransformer(folder, device="cpu").to(getattr(torch, kind)),
        )
    }
    assert len(identities) == 2


@pytest.mark.parametrize("name", ["/no/such/folder", "nobody/has-made-this"])
def test_a_model_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(UnknownModelError, match=f"got '{name}'"):
        resolve_embedder(f"sentence-transformers:{name}")


def test_a_batch_of_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        SentenceTransformerEmbedder(write_six_words(tmp_path / "model"), batch_size=0)
