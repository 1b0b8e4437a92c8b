"""Tests of adapters for many tenants at once: folders, indexes, records and refused input."""

from pathlib import Path
from typing import Any

import pytest

from query_adapters.adapters.storage import read_adapter
from query_adapters.errors import InvalidDatasetError
from tests.integrations.framework import Framework
from tests.integrations.rotation import corpus_of, make_dataset, make_planted, query_vector

QUICK = {"strengths": [0.03], "whitenings": [0.0], "memory": False, "n_folds": 2, "seen_share": 1.0}


def vector_of(text: str) -> list[float]:
    """Return the planted vector of a question; the probe of the shared map is about nothing."""
    return query_vector(text if " about " in text else f"{text} about nothing")


def datasets(framework: Framework, *names: str) -> dict[str, Any]:
    """Return ten questions of each name about documents of its own."""
    return {
        name: make_dataset(framework, corpus_of(100 * place, 10))
        for place, name in enumerate(names)
    }


def test_each_tenant_has_a_folder_and_texts_are_embedded_once(
    framework: Framework, tmp_path: Path
) -> None:
    base = make_planted(
        framework, lambda text: query_vector(text if " about " in text else f"any about {text}")
    )
    given = datasets(framework, "a/b", "c")
    corpus = corpus_of(0, 10)
    stores = {"a/b": framework.stores.in_memory(corpus, base)}
    base.calls.clear()
    result = framework.engines.many(
        given, base, stores=stores, model_output_path=tmp_path, n_jobs=1, **QUICK
    )
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {"a_b", "c", "shared"}
    for tenant, folder in zip(result.tenants, ("a_b", "c"), strict=True):
        saved = read_adapter(tmp_path / folder)
        assert saved.adapter.fingerprint == tenant.adapter.fingerprint
        assert saved.record.training["decision"] == tenant.decision
    shared = read_adapter(tmp_path / "shared").record
    assert shared.probe_text not in {*given["a/b"].queries.values(), *given["c"].queries.values()}
    embedded = [*base.queries, *base.documents]
    assert not set(embedded) & set(corpus.values())
    assert len(embedded) == len(set(embedded))


def test_a_device_that_is_not_there_is_refused(framework: Framework, tmp_path: Path) -> None:
    base, given = make_planted(framework), datasets(framework, "a", "c")
    with pytest.raises(ValueError, match=r"device: expected one of cpu.*, got 'cuda:99'"):
        framework.engines.many(given, base, model_output_path=tmp_path, device="cuda:99")
    assert base.calls == []


@pytest.mark.parametrize(
    ("names", "stores", "message"),
    [
        (["a"], {}, "at least two tenants"),
        (["a b", "a_b"], {}, "2 names for 'a_b'"),
        (["a", "Shared"], {}, "2 names for 'shared'"),
        (["a", "b"], {"c": [(["id 0"], [[1.0, 0.0]])]}, "got 'c'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_embedded(
    framework: Framework, tmp_path: Path, names: list[str], stores: dict[str, Any], message: str
) -> None:
    base = make_planted(framework)
    with pytest.raises(InvalidDatasetError, match=message):
        framework.engines.many(
            datasets(framework, *names), base, stores=stores, model_output_path=tmp_path
        )
    assert base.calls == []
