"""LlamaIndex's guide to fine-tuning the embedding model itself, and what else could be done.

Prints, on the questions of `--val` over its chunks, through a real index:

    base           the model as it is
    full           all of it tuned; its index is built anew
    query tower    only its way with questions tuned; the base's index stays as it is
    adapter        a linear map on the base's questions; the base's index stays as it is
    full + adapter the same map learned on top of the tuned model

    python examples/08_finetune_model.py --train train_dataset.json --val val_dataset.json

takes any two LlamaIndex QA files. Nothing is chosen on `--val`: weights are chosen and judged
on a fifth of the training questions. `--smoke` takes a small part of the demo's data.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from results_file import as_json, write_results
from rich.console import Console
from rich.table import Table

from llama_index_finetune_plugin import (
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
    RetrieverEvaluator,
    SentenceTransformersFinetuneEngine,
)
from llama_index_finetune_plugin.sentence_transformers import SentenceTransformersEmbedding
from llama_index_finetune_plugin.stores import stored_vectors
from query_adapters.dataset import RetrievalDataset
from query_adapters.demo import packaged_model, read_dataset
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.comparison import compare
from query_adapters.splits import split_by_document
from query_adapters.stores import gather

console = Console(highlight=False)
METRICS = ("hit_rate@5", "mrr@10", "ndcg@10")


def smoke_files(folder: Path) -> tuple[Path, Path]:
    """Write two small QA files about different functions and return their paths."""
    paths = folder / "train.json", folder / "val.json"
    whole = read_dataset(n_queries=40)
    for path, part in zip(paths, split_by_document(whole, held_out=0.5), strict=True):
        corpus = {key: part.corpus[key][:200] for key in part.labelled_documents}
        alone = RetrievalDataset(part.queries, corpus, part.qrels)
        EmbeddingQAFinetuneDataset.from_retrieval_dataset(alone).save_json(path)
    return paths


def index_of(model: BaseEmbedding, dataset: EmbeddingQAFinetuneDataset) -> VectorStoreIndex:
    nodes = [TextNode(id_=key, text=text) for key, text in dataset.corpus.items()]
    return VectorStoreIndex(nodes, embed_model=model)


def checksum(index: VectorStoreIndex) -> str:
    stored = gather(stored_vectors(index))
    order = np.argsort(stored.ids)
    return hashlib.sha256(stored.vectors[order].tobytes()).hexdigest()


def retrieve(
    index: VectorStoreIndex, model: BaseEmbedding, dataset: EmbeddingQAFinetuneDataset
) -> Evaluation:
    retriever = index.as_retriever(similarity_top_k=10, embed_model=model)
    return RetrieverEvaluator(retriever, metrics=METRICS).evaluate_dataset(dataset)


def timed(work: Callable[[], Any]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--val", type=Path)
    parser.add_argument("--model", default=None, help="hub name or folder; by default packaged")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--max-seq-length", type=int, default=None)
    parser.add_argument("--output", type=Path, help="folder of the models; by default none")
    parser.add_argument("--results", type=Path, help="JSON file to keep the figures in")
    parser.add_argument("--smoke", action="store_true", help="a small part of the demo's data")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        output = options.output or Path(temporary)
        train, val = options.train, options.val
        if train is None or val is None:
            train, val = smoke_files(Path(temporary))
        train_dataset = EmbeddingQAFinetuneDataset.from_json(train)
        val_dataset = EmbeddingQAFinetuneDataset.from_json(val)
        model_id = options.model or packaged_model()
        length = options.max_seq_length or (32 if options.smoke else None)
        epochs = 1 if options.smoke else options.epochs

        base = SentenceTransformersEmbedding(model_id, max_length=length)
        index = index_of(base, val_dataset)
        before = checksum(index)
        rows: dict[str, tuple[Evaluation, float, str]] = {
            "base": (retrieve(index, base, val_dataset), 0.0, "")
        }

        def tune(train: str) -> tuple[BaseEmbedding, float, str]:
            engine = SentenceTransformersFinetuneEngine(
                train_dataset,
                model_id,
                model_output_path=output / f"tuned-{train}",
                epochs=epochs,
                max_seq_length=length,
                train=train,
                interpolations=(1.0,) if options.smoke else (0.25, 0.5, 0.75, 1.0),
                show_progress_bar=False,
            )
            seconds = timed(engine.finetune)
            return engine.get_finetuned_model(), seconds, engine.result.verdict

        def adapt(model: BaseEmbedding, name: str) -> tuple[BaseEmbedding, float, str]:
            folder = output / f"adapter-{name}"
            engine = EmbeddingAdapterFinetuneEngine(train_dataset, model, model_output_path=folder)
            seconds = timed(engine.finetune)
            return engine.get_finetuned_model(), seconds, engine.result.training.verdict

        full, seconds, verdict = tune("both")
        full_index = index_of(full, val_dataset)
        rows["full"] = (retrieve(full_index, full, val_dataset), seconds, verdict)
        query, seconds, verdict = tune("query")
        rows["query tower"] = (retrieve(index, query, val_dataset), seconds, verdict)
        adapter, seconds, verdict = adapt(base, "base")
        rows["adapter"] = (retrieve(index, adapter, val_dataset), seconds, verdict)
        stacked, seconds, verdict = adapt(full, "full")
        rows["full + adapter"] = (retrieve(full_index, stacked, val_dataset), seconds, verdict)

        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("× 100", *METRICS, "difference in ndcg@10", "seconds"):
            table.add_column(heading, no_wrap=True)
        figures: dict[str, Any] = {}
        for name, (evaluation, seconds, verdict) in rows.items():
            comparison = compare(rows["base"][0], evaluation)
            d = comparison["ndcg@10"].difference
            gain = f"{100 * d.mean:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]"
            means = (f"{100 * evaluation.means[metric]:.1f}" for metric in METRICS)
            table.add_row(name, *means, "" if name == "base" else gain, f"{seconds:.0f}")
            figures[name] = {
                "verdict": verdict, "seconds": round(seconds, 1), **as_json(comparison)
            }  # fmt: skip
            if verdict:
                console.print(f"{name}: {verdict}")
        console.print(table)
        after = checksum(index)
        same = "the same as before" if before == after else "CHANGED"
        console.print(f"vectors stored in the base's index: {same}")
        if options.results:
            about = {
                "model": Path(model_id).name, "epochs": epochs, "max_seq_length": base.max_length,
                "index_checksum": {"before": before, "after": after},
            }  # fmt: skip
            write_results(options.results, {**about, **figures})


if __name__ == "__main__":
    main()
