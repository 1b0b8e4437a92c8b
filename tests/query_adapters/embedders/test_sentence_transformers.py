"""Models of sentence-transformers: roles, dimensions, identity."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from query_adapters.embedders import SentenceTransformerEmbedder, resolve_embedder
from query_adapters.errors import UnknownModelError

MakeModel = Callable[..., Path]


def test_a_question_gets_the_models_own_prompt_and_a_document_none(make_model: MakeModel) -> None:
    model = resolve_embedder(f"sentence-transformers:{make_model()}")
    query, document = model.embed_queries(["how far"]), model.embed_documents(["how far"])
    third, half = 1 / 3, 0.5  # "query how far" is three words, "how far" is two
    np.testing.assert_allclose(query, [[0, third, third, third, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(document, [[0, 0, half, half, 0, 0]], rtol=1e-6)


def test_a_version_without_roles_embeds_both_alike(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformerEmbedder(make_model())
    monkeypatch.delattr(SentenceTransformer, "encode_query")
    monkeypatch.delattr(SentenceTransformer, "encode_document")
    query, document = model.embed_queries(["far"]), model.embed_documents(["far"])
    np.testing.assert_array_equal(query, document)


def test_vectors_are_cut_to_the_dimensions_asked_for(make_model: MakeModel) -> None:
    folder = make_model()
    model = SentenceTransformerEmbedder(folder, dimensions=3)
    np.testing.assert_allclose(model.embed_documents(["how far"]), [[0, 0, 0.5]])
    assert model.identity != SentenceTransformerEmbedder(folder).identity


def test_identity_goes_with_the_weights_and_not_with_the_place(make_model: MakeModel) -> None:
    folder = make_model()
    moved = folder.parent / "elsewhere" / folder.name
    shutil.copytree(folder, moved)
    identity = SentenceTransformerEmbedder(folder).identity
    assert SentenceTransformerEmbedder(moved, batch_size=1).identity == identity
    trained = make_model("trained", scale=1.001)
    prompted = make_model("prompted", prompt="how ")
    for other in (trained, prompted):
        shutil.rmtree(folder)
        shutil.copytree(other, folder)
        assert SentenceTransformerEmbedder(folder).identity != identity


@pytest.mark.parametrize("name", ["/no/such/folder", "nobody/has-made-this"])
def test_a_model_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(UnknownModelError, match=f"got '{name}'"):
        resolve_embedder(f"sentence-transformers:{name}")


def test_a_batch_of_none_is_refused(make_model: MakeModel) -> None:
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        SentenceTransformerEmbedder(make_model(), batch_size=0)
