"""Test that an exported adapter is a sentence-transformers model independent of our package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.arrays import unit
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import AdapterMismatchError, DimensionMismatchError
from query_adapters.evaluation import exact_search
from query_adapters.model_tuning import TowerResult, export_adapter
from query_adapters.typing import Vectors
from tests.tiny_model import save_tiny_model

pytestmark = pytest.mark.slow

LOAD_WITHOUT_US = """
import json, sys
for name in ("query_adapters", "llama_index_finetune_plugin", "langchain_adapter"):
    sys.modules[name] = None  # importing it fails
from sentence_transformers import SentenceTransformer
folder, texts = sys.argv[1], json.loads(sys.argv[2])
model = SentenceTransformer(folder, device="cpu")
print(json.dumps({
    "queries": model.encode_query(texts["queries"]).tolist(),
    "documents": model.encode_document(texts["documents"]).tolist(),
}))
"""


def linear(*, bias: bool, keeps_length: bool = True) -> LinearAdapter:
    rng = np.random.default_rng(0)
    weight = np.eye(32) + rng.normal(size=(32, 32)) / 10
    return LinearAdapter(
        weight, rng.normal(size=32) / 10 if bias else None, keeps_length=keeps_length
    )


def test_a_fresh_interpreter_without_us_finds_the_same_ten_documents(
    tiny: str, toy: RetrievalDataset, base: SentenceTransformer, tmp_path: Path
) -> None:
    adapter = linear(bias=True)
    folder = export_adapter(adapter, tiny, tmp_path / "exported")
    texts = {"queries": list(toy.queries.values())[:40], "documents": list(toy.corpus.values())}
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", LOAD_WITHOUT_US, str(folder), json.dumps(texts)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        check=True,
    )
    there = {
        role: np.array(rows, dtype=np.float32) for role, rows in json.loads(ran.stdout).items()
    }
    queries = adapter(base.encode_query(texts["queries"]))
    documents = base.encode_document(texts["documents"])
    np.testing.assert_allclose(there["documents"], documents, atol=1e-6)
    np.testing.assert_allclose(there["queries"], queries, atol=1e-5)
    clear = [row for row in range(40) if no_near_ties(queries[row], documents)]
    assert len(clear) > 20
    np.testing.assert_array_equal(
        exact_search(there["queries"], there["documents"], k=10)[clear],
        exact_search(queries, documents, k=10)[clear],
    )


def no_near_ties(query: Vectors, documents: Vectors) -> bool:
    """Return whether the top eleven scores differ by more than rounding errors."""
    best = np.sort(unit(documents) @ unit(query))[-11:]
    return bool((np.diff(best) > 1e-6).all())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("normalises", [True, False])
@pytest.mark.parametrize("keeps_length", [True, False])
def test_the_export_ranks_as_the_adapter_does(
    bias: bool, normalises: bool, keeps_length: bool, toy: RetrievalDataset, tmp_path: Path
) -> None:
    folder = save_tiny_model(tmp_path / "base", normalises=normalises)
    base = SentenceTransformer(folder, device="cpu")
    adapter = linear(bias=bias, keeps_length=keeps_length)
    exported = SentenceTransformer(
        str(export_adapter(adapter, folder, tmp_path / "exported")), device="cpu"
    )
    texts = list(toy.queries.values())
    queries, adapted = exported.encode_query(texts), adapter(base.encode_query(texts))
    np.testing.assert_allclose(unit(queries), unit(adapted), atol=1e-5)  # then cosine and dot agree
    np.testing.assert_allclose(exported.encode_document(texts), base.encode_document(texts))
    if normalises:
        np.testing.assert_allclose(queries, adapted, atol=1e-5)


def kernel() -> KernelAdapter:
    rng = np.random.default_rng(0)
    return KernelAdapter(
        LinearAdapter.identity(32), rng.normal(size=(3, 32)), rng.normal(size=(3, 32)), 5.0
    )


def test_what_no_dense_layer_can_hold_is_refused(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(AdapterMismatchError, match=r"kernel: a Dense layer.*memory=False.*--no-m"):
        export_adapter(kernel(), tiny, tmp_path / "exported")
    assert not (tmp_path / "exported").exists()


def test_another_model_is_refused_by_dimension_name_or_probe(
    tiny: str, base: SentenceTransformer, query_tower: TowerResult, tmp_path: Path
) -> None:
    def saved(name: str, text: str) -> Path:
        record = AdapterRecord(base_model=name, probe_text="asked1 asked2")
        probe = np.asarray(base.encode_query(text), dtype=np.float32)
        adapter = SavedAdapter(adapter=linear(bias=False), record=record, probe_vector=probe)
        return save_adapter(adapter, tmp_path / f"{name}-{text}")

    target = tmp_path / "exported"
    with pytest.raises(DimensionMismatchError, match="expected 7 dimensions, got 32"):
        export_adapter(LinearAdapter.identity(7), tiny, target)
    with pytest.raises(AdapterMismatchError, match="expected the embedding model 'other'"):
        export_adapter(saved("other", "asked1 asked2"), tiny, target)
    with pytest.raises(AdapterMismatchError, match="probe question"):
        export_adapter(saved("tiny-bert", "asked7"), tiny, target)
    with pytest.raises(AdapterMismatchError, match="model without routes"):
        export_adapter(linear(bias=False), str(query_tower.folder), target)
    assert not target.exists()
    assert export_adapter(saved("tiny-bert", "asked1 asked2"), tiny, target) == target
    assert export_adapter(saved("other", "asked7"), tiny, target, check_model=False) == target
