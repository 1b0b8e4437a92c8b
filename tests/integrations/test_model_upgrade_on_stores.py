"""Tests that every kind of store serves another model through a bridge, and is only read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from query_adapters.stores import gather
from tests.integrations.both import each_store
from tests.integrations.framework import Framework
from tests.stores.kind import Chunk, OpenStore
from tests.stores.place import DIM
from tests.stores.planted import document_vector, key_of, text_of

pytestmark = pytest.mark.slow

N_DOCUMENTS = 120
CHUNKS = [Chunk(key_of(n), text_of(n), {"kind": "even"}) for n in range(N_DOCUMENTS)]
INTO_NEW = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM + 3, DIM + 3)))[0][:DIM]


def new_vector(text: str) -> list[float]:
    found: list[float] = (document_vector(text) @ INTO_NEW).tolist()
    return found


@each_store()
def test_a_store_serves_another_model_as_it_is(
    framework: Framework, name: str, make_store: Callable[..., OpenStore], output: Path
) -> None:
    old = framework.make_base(document=document_vector, query=document_vector)
    opened = make_store(name, CHUNKS, old)
    texts = {chunk.key: opened.kind.embedded_text(chunk) for chunk in CHUNKS}
    asked = list(texts.values())[::5]
    expected = [opened.search(text)[0] for text in asked]
    old.calls.clear()
    new = framework.make_base(model_name="new", document=new_vector, query=new_vector)
    before = gather(framework.stores.stored_vectors(opened.store))
    engine = framework.engines.upgrade(opened.store, new, output, texts=texts, n_texts=80)
    engine.finetune()
    assert old.calls == []
    assert len(new.documents) == engine.plan.n_texts < N_DOCUMENTS
    after = gather(framework.stores.stored_vectors(opened.store))
    np.testing.assert_array_equal(after.vectors, before.vectors)
    assert after.ids == before.ids
    opened.reopen(engine.get_finetuned_model())
    found = [opened.search(text)[0] for text in asked]
    hits = sum(one == other for one, other in zip(found, expected, strict=True))
    assert hits >= 0.9 * len(asked)
