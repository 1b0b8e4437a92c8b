"""Tests of finding the prefix that stored documents were embedded with."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from query_adapters.embedders import PreparedEmbedder, TextEmbedder
from query_adapters.errors import AdapterMismatchError, InvalidVectorsError, QueryAdaptersWarning
from query_adapters.stores import LiveIndex, MappingSource, check_prefix
from query_adapters.stores.prefix_check import AS_QUERIES
from query_adapters.typing import Vectors

E5 = "intfloat/e5-small-v2"
N = 40


class Model:
    """A model whose vectors of a text with another beginning differ as little as a real one's."""

    identity, batch_size = "model/1", 64

    def __init__(self, name: str = E5, *, has_roles: bool = False) -> None:
        self.model_name, self.has_roles = name, has_roles
        self.n_texts = 0

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.n_texts += len(texts)
        return np.stack([self._vector(text) for text in texts])

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed_documents([f"role {text}" if self.has_roles else text for text in texts])

    def _vector(self, text: str) -> Vectors:
        words = text.split(" ")
        parts = [np.random.default_rng(sum(map(ord, word))).normal(size=16) for word in words]
        vector: Vectors = np.mean([*parts, *parts[-1:] * 12], axis=0).astype(np.float32)
        return vector


def index_of(
    model: TextEmbedder, prefix: str, *, change: Callable[[Vectors], Any] | None = None
) -> LiveIndex:
    """Return an index whose documents were embedded with the prefix."""
    texts = {f"d{n}": f"harbour number{n} street{n * 7}" for n in range(N)}
    vectors = model.embed_documents([prefix + text for text in texts.values()])
    rows = vectors if change is None else change(vectors)
    return LiveIndex(
        name="MyStore",
        source=MappingSource(dict(zip(texts, rows, strict=True))),
        texts=lambda ids: {key: texts[key] for key in ids},
        hint=lambda _: "",
    )


def e5(document_prefix: str) -> PreparedEmbedder:
    return PreparedEmbedder(Model(), query_prefix="query: ", document_prefix=document_prefix)


@pytest.mark.parametrize("made_with", ["", "query: ", "passage: "])
@pytest.mark.parametrize("given", ["", "query: ", "passage: "])
def test_the_prefix_of_an_index_is_found_whatever_the_model_adds(
    made_with: str, given: str
) -> None:
    found = check_prefix(index_of(Model(), made_with), e5(given))
    assert found.is_right == (made_with == given)
    assert found.n_texts == 32
    if found.is_right:
        assert "embedded as this model embeds documents" in str(found)
    elif made_with == "query: ":
        assert found.found == AS_QUERIES
        assert "embed them again as documents" in str(found)
    else:
        assert found.prefix == made_with
        assert f"document_prefix={made_with!r} to use the index as it is" in str(found)


@pytest.mark.parametrize(
    "change",
    [
        lambda vectors: vectors.astype(np.float16),
        lambda vectors: np.round(vectors / np.abs(vectors).max() * 127),
        lambda vectors: 30 * vectors,
        lambda vectors: vectors[:, :12],
    ],
    ids=["float16", "int8", "longer", "shortened"],
)
def test_the_form_of_the_stored_vectors_does_not_matter(change: Callable[[Vectors], Any]) -> None:
    found = check_prefix(index_of(Model(), "passage: ", change=change), Model())
    assert found.prefix == "passage: "
    assert not found.is_right


def test_a_model_of_no_family_is_tried_with_the_prefixes_of_every_family() -> None:
    index = index_of(Model(), "search_document: ")
    assert check_prefix(index, Model("my-model")).prefix == "search_document: "
    assert check_prefix(index, Model("my-model"), prefixes=["d: "]).found is None


def test_documents_that_were_embedded_as_queries_are_named() -> None:
    model = Model("my-model", has_roles=True)
    assert check_prefix(index_of(model, "role "), model).found == AS_QUERIES


def test_another_models_vectors_have_no_prefix() -> None:
    index = index_of(Model(), "", change=lambda vectors: np.flip(vectors, axis=1))
    found = check_prefix(index, Model())
    assert found.found is None
    assert "no prefix explains the stored vectors" in str(found)


def test_without_texts_nothing_can_be_said() -> None:
    source = MappingSource({"d": np.ones(16, dtype=np.float32)})
    index = LiveIndex(name="MyStore", source=source, texts=lambda _: {}, hint=lambda _: "")
    with pytest.raises(InvalidVectorsError, match="MyStore: expected documents with texts"):
        check_prefix(index, Model())


def test_training_is_refused_on_an_index_made_with_another_prefix() -> None:
    with pytest.raises(AdapterMismatchError, match="embedded without a prefix, which this model"):
        index_of(Model(), "").read(["d1", "d2", "d3"], embedder=e5("passage: "))
    with pytest.raises(AdapterMismatchError, match="with the prefix 'passage: ', which this model"):
        index_of(Model(), "passage: ").read(["d1", "d2", "d3"], embedder=Model())


def test_the_right_prefix_costs_three_texts_in_each_role() -> None:
    base = Model()
    model = PreparedEmbedder(base, document_prefix="passage: ")
    index = index_of(Model(), "passage: ")
    index.read(["d1", "d2", "d3", "d4"], embedder=model)
    assert base.n_texts == 3 + 3, "three as documents, and three as queries for a family"
    other = Model("my-model")
    index_of(Model(), "").read(["d1", "d2", "d3", "d4"], embedder=other)
    assert other.n_texts == 3


def test_an_index_that_was_made_without_the_prefix_of_the_family_is_reported() -> None:
    told = "family E5 need a prefix before questions, 'query: ' and before documents, 'passage: '"
    with pytest.warns(QueryAdaptersWarning, match=told):
        index_of(Model(), "").read(["d1", "d2", "d3"], embedder=Model())
    index_of(Model("my-model"), "").read(["d1", "d2"], embedder=Model("my-model"))
    assert "models of its family expect 'passage: '" in str(
        check_prefix(index_of(Model(), ""), Model())
    )
    assert "family" not in str(check_prefix(index_of(Model(), "passage: "), e5("passage: ")))


def test_an_index_without_texts_is_not_read_to_its_end(make_embedder: Callable[..., Any]) -> None:
    asked: list[str] = []

    def no_texts(ids: Sequence[str]) -> dict[str, str]:
        asked.extend(ids)
        return {}

    source = MappingSource({str(n): np.ones(4, dtype=np.float32) for n in range(100)})
    index = LiveIndex(name="MyStore", source=source, texts=no_texts, hint=lambda _: "")
    with pytest.raises(InvalidVectorsError, match="documents with texts, got none"):
        check_prefix(index, make_embedder(dim=4), n_texts=1)
    assert len(asked) < 100
