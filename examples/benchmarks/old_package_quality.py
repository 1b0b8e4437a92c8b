"""Train LlamaIndex's own adapter on precomputed vectors, with the recipe of its guide.

quality.py runs this script in a separate environment, because the two packages need different
versions of llama-index-core. The script reads and writes .npz files of plain arrays. The texts
that LlamaIndex requires are row names, so no embedding model is needed.

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
    """A model that looks up the vector of a text."""

    _vectors: dict[str, list[float]] = PrivateAttr()  # a field would be serialized at each call

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
    """Return the test questions' vectors, mapped by an adapter trained as in the guide."""
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
