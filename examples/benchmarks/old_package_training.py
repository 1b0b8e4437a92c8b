"""Time LlamaIndex's old engine from texts to a saved adapter, with the recipe of its guide.

training.py runs this script in a separate environment, because the two packages need different
versions of llama-index-core.

    OLD_PACKAGE_PYTHON examples/benchmarks/old_package_training.py JOB.json FIGURES.json
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from counted_models import CountedModel, counted_model, taken_counts
from llama_index.core.evaluation import EmbeddingQAFinetuneDataset
from llama_index.finetuning import EmbeddingAdapterFinetuneEngine

LIBRARIES = (
    "llama-index-core",
    "llama-index-embeddings-adapter",
    "llama-index-finetuning",
    "numpy",
    "sentence-transformers",
    "torch",
    "transformers",
)


def train(job: Mapping[str, Any], model: CountedModel) -> dict[str, Any]:
    dataset = EmbeddingQAFinetuneDataset.from_json(job["train"])
    with tempfile.TemporaryDirectory() as folder:
        began, processor = time.perf_counter(), time.process_time()
        engine = EmbeddingAdapterFinetuneEngine(
            dataset,
            model,
            model_output_path=folder,
            dim=np.load(job["vectors"], mmap_mode="r").shape[1],  # saves one call
            epochs=4,
        )
        engine.finetune()
        seconds = {
            "seconds": time.perf_counter() - began,
            "processor_seconds": time.process_time() - processor,
        }
    return {**seconds, **taken_counts(model)}


def main() -> None:
    job_path, figures_path = map(Path, sys.argv[1:])
    job = json.loads(job_path.read_text(encoding="utf-8"))
    model = counted_model(job)
    figures = {
        "runs": [train(job, model) for _ in range(job["repeats"])],
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    figures_path.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
