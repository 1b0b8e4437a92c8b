"""LlamaIndex's own adapter, trained by its guide's recipe on vectors that are given.

Run by quality.py in an environment of its own, as the two packages want different versions of
llama-index-core. Reads and writes .npz files of plain arrays; the texts that LlamaIndex wants
are the names of rows, so no embedding model is needed.

    OLD_PACKAGE_PYTHON examples/benchmarks/old_package_quality.py GIVEN.npz ADAPTED.npz
"""

import sys
import tempfile
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.evaluation import EmbeddingQAFinetuneDataset
from llama_index.finetuning import EmbeddingAdapterFinetuneEngine


class GivenVectors(BaseEmbedding):
    """Looks the vector of a text up."""

    _vectors: dict[str, list[float]] = PrivateAttr()  # a field would be serialised at each call

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        super().__init__()
        self._vectors = vectors

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vectors[query]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._vectors[query]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vectors[text]


def named(prefix: str, rows: Any) -> dict[str, str]:
    return {f"{prefix} {row}": f"{prefix} {row}" for row in rows}


def looked_up(given: Any) -> GivenVectors:
    return GivenVectors(
        {
            f"{role} {row}": vector
            for role in ("train", "document", "test")
            for row, vector in enumerate(given[role].tolist())
        }
    )


def adapted_queries(given: Any, folder: str) -> list[list[float]]:
    """Return the test questions' vectors, mapped by what the guide's recipe learns."""
    order, relevant = given["order"], given["relevant"]
    dataset = EmbeddingQAFinetuneDataset(
        queries=named("train", order),
        corpus=named("document", range(len(given["document"]))),
        relevant_docs={f"train {row}": [f"document {relevant[row]}"] for row in order},
    )
    engine = EmbeddingAdapterFinetuneEngine(
        dataset,
        looked_up(given),
        model_output_path=folder,
        dim=given["train"].shape[1],
        bias=False,
        epochs=4,
    )
    engine.finetune()
    model = engine.get_finetuned_model()
    return [model.get_query_embedding(f"test {row}") for row in range(len(given["test"]))]


def main() -> None:
    given_path, adapted_path = sys.argv[1:]
    with np.load(given_path) as given, tempfile.TemporaryDirectory() as folder:
        adapted = adapted_queries(dict(given), folder)
    np.savez(adapted_path, test=np.array(adapted, dtype=np.float32))


if __name__ == "__main__":
    main()
