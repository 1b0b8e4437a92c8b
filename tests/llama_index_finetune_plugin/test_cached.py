"""Test the cached model as LlamaIndex uses it: indexes, pipelines, events and rate limiters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import ValidationError

from llama_index_finetune_plugin import AdapterEmbedding, CachedEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.errors import AdapterMismatchError

Make = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.sqlite"


def test_a_models_own_cache_mixes_roles_and_the_cached_model_does_not(
    make_base: Make, path: Path
) -> None:
    base = make_base(embeddings_cache=SimpleKVStore())
    query = base.get_query_embedding("d")
    assert base.get_text_embedding("d") == query, "if this fails, LlamaIndex has mended its cache"
    other = make_base(embeddings_cache=SimpleKVStore())
    model = CachedEmbedding(other, path)
    model.get_query_embedding("d")
    assert model.get_text_embedding("d") == pytest.approx(other.vector("document", "d"), rel=1e-6)


def test_it_takes_no_second_cache(base: Any, path: Path) -> None:
    with pytest.raises(TypeError, match="embeddings_cache"):
        CachedEmbedding(base, path, embeddings_cache=SimpleKVStore())  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="frozen"):
        CachedEmbedding(base, path).embeddings_cache = SimpleKVStore()


def test_a_cached_text_takes_no_permit_of_the_bases_limiter(
    make_base: Make, make_limiter: Make, path: Path
) -> None:
    limiter = make_limiter()
    model = CachedEmbedding(make_base(rate_limiter=limiter), path)
    for _ in range(3):
        model.get_query_embedding("q")
        model.get_text_embedding("d")
    assert limiter.n_acquired == 2


def test_an_index_is_built_with_it_and_searched_with_an_adapter_over_it(
    base: Any, adapter: LinearAdapter, path: Path
) -> None:
    nodes = [TextNode(text=f"text {i}", id_=str(i)) for i in range(20)]
    model = CachedEmbedding(base, path)
    index = VectorStoreIndex(nodes, embed_model=model)
    base.calls.clear()
    again = VectorStoreIndex(nodes, embed_model=CachedEmbedding(base, path))
    assert base.calls == []
    found = [
        [node.node_id for node in one.as_retriever(embed_model=adapted).retrieve("q")]
        for one in (index, again)
        for adapted in (AdapterEmbedding(model, adapter), AdapterEmbedding(base, adapter))
    ]
    assert all(ids == found[0] for ids in found)


def test_a_pipeline_embeds_again_for_another_base(make_base: Make, path: Path) -> None:
    pipeline = IngestionPipeline(transformations=[CachedEmbedding(make_base(), path)])
    for base in (make_base(), make_base(instruction="say: ")):
        pipeline.transformations = [CachedEmbedding(base, path)]
        (node,) = pipeline.run(nodes=[TextNode(text="d", id_="d")])
        assert node.embedding == pytest.approx(base.vector("document", "d"), rel=1e-6)


def test_it_is_described_without_secrets_and_made_again_over_its_base(
    make_base: Make, path: Path, secret: str
) -> None:
    model = CachedEmbedding(make_base(), path, embed_batch_size=7)
    described = model.to_dict()
    assert secret not in str(described)
    again = CachedEmbedding.from_dict(described, base_embed_model=make_base())
    assert (again.cache_path, again.embed_batch_size) == (str(path), 7)
    with pytest.raises(TypeError, match="base_embed_model"):
        CachedEmbedding.from_dict(described)
    with pytest.raises(AdapterMismatchError, match="other"):
        CachedEmbedding.from_dict(described, base_embed_model=make_base(model_name="other"))
