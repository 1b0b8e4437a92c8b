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
from known_vectors import KnownVectors
from llama_index.core.evaluation import EmbeddingQAFinetuneDataset
from llama_index.finetuning import EmbeddingAdapterFinetuneEngine


def named(prefix: str, rows: Any) -> dict[str, str]:
    return {f"{prefix} {row}": f"{prefix} {row}" for row in rows}


def looked_up(given: Any) -> KnownVectors:
    return KnownVectors(
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
