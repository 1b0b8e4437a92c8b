"""LlamaIndex's guide to fine-tuning the embedding model itself, compared with alternatives.

Evaluates on the questions of `--val` over its chunks, through a real index:

    base           the model without fine-tuning query tower    only the query tower tuned; the
    base's index stays as it is adapter        a linear map on the base's queries; the base's index
    stays as it is full           the whole model tuned; its index is built again full + adapter a
    linear map on top of the tuned model third          another model, by name or folder, given by
    `--third`

and prints every metric of sentence-transformers' InformationRetrievalEvaluator for each.

    python examples/08_finetune_model.py --train train_dataset.json --val val_dataset.json

takes any two LlamaIndex QA files. Nothing is chosen on `--val`: weights are chosen and compared on
a fifth of the training questions. `--smoke` uses a small part of the demo's data.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

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
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import split_by_document
from query_adapters.demo import packaged_model, read_dataset, write_word_model
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.pairwise import MetricComparison, compare
from query_adapters.stores import gather

console = Console(highlight=False)
METRICS = ("hit_rate@5", "mrr@10", "ndcg@10")
AT_CUTOFFS = [f"{name}@{k}" for name in ("hit_rate", "precision", "recall") for k in (1, 3, 5, 10)]
ALL_METRICS = (*AT_CUTOFFS, "mrr@10", "ndcg@10", "map@100")
ROWS = ("query", "adapter", "full", "stacked")
Tuned = tuple[BaseEmbedding, float, str]


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
    retriever = index.as_retriever(similarity_top_k=100, embed_model=model)
    return RetrieverEvaluator(retriever, metrics=ALL_METRICS).evaluate_dataset(dataset)


def timed(work: Callable[[], Any]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


class Comparison:
    """Compares each model with the base on the questions of `--val`."""

    def __init__(self, options: argparse.Namespace, train: Path, val: Path, output: Path) -> None:
        self.options, self.output = options, output
        self.train = EmbeddingQAFinetuneDataset.from_json(train)
        self.val = EmbeddingQAFinetuneDataset.from_json(val)
        self.model_id = options.model or packaged_model()
        self.base = SentenceTransformersEmbedding(self.model_id, max_length=options.max_seq_length)
        self.index = index_of(self.base, self.val)
        self.stored = checksum(self.index)
        self.before = retrieve(self.index, self.base, self.val)
        self.evaluations = {"base": self.before}
        self.figures: dict[str, Any] = {
            "model": options.model or "all-MiniLM-L6-v2",
            "epochs": options.epochs,
            "max_seq_length": self.base.max_length,
            "interpolations": options.interpolations,
        }
        self.table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("× 100", *METRICS, "difference in ndcg@10", "seconds"):
            self.table.add_column(heading, no_wrap=True)
        self.add_row("base", compare(self.before, self.before), 0)

    def tune(self, train: Literal["both", "query"]) -> Tuned:
        engine = SentenceTransformersFinetuneEngine(
            self.train,
            self.model_id,
            model_output_path=self.output / f"tuned-{train}",
            epochs=self.options.epochs,
            max_seq_length=self.options.max_seq_length,
            train=train,
            interpolations=tuple(self.options.interpolations),
            show_progress_bar=False,
        )
        seconds = timed(engine.finetune)
        return engine.get_finetuned_model(), seconds, engine.result.verdict

    def adapt(self, model: BaseEmbedding, name: str) -> Tuned:
        folder = self.output / f"adapter-{name}"
        engine = EmbeddingAdapterFinetuneEngine(self.train, model, model_output_path=folder)
        seconds = timed(engine.finetune)
        return engine.get_finetuned_model(), seconds, engine.result.training.verdict

    def keep(self, name: str, index: VectorStoreIndex, tuned: Tuned) -> None:
        model, seconds, verdict = tuned
        self.evaluations[name] = retrieve(index, model, self.val)
        comparison = compare(self.before, self.evaluations[name])
        row = {
            "verdict": str(verdict),
            "seconds": round(seconds, 1),
            **as_json({metric: comparison[metric] for metric in METRICS}),
            "means": {metric: round(x, 4) for metric, x in self.evaluations[name].means.items()},
        }
        checksums = {"before": self.stored, "after": checksum(self.index)}
        self.figures.update({name: row, "index_checksum": checksums})
        self.add_row(name, comparison, seconds)
        console.print(f"{name}: {verdict}")
        if self.options.results:
            write_results(self.options.results, self.figures)

    def add_row(
        self, name: str, comparison: Mapping[str, MetricComparison], seconds: float
    ) -> None:
        gain = comparison["ndcg@10"].difference
        told = f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
        means = (f"{100 * comparison[metric].adapted.mean:.1f}" for metric in METRICS)
        self.table.add_row(name, *means, "" if name == "base" else told, f"{seconds:.0f}")

    def all_metrics(self) -> Table:
        table = Table("× 100", *self.evaluations, box=None, padding=(0, 2, 0, 0))
        for metric in ALL_METRICS:
            means = (evaluation.means[metric] for evaluation in self.evaluations.values())
            table.add_row(metric, *(f"{100 * mean:.1f}" for mean in means))
        return table

    def run(self) -> None:
        rows = self.options.rows
        if "query" in rows:
            self.keep("query tower", self.index, self.tune("query"))
        if "adapter" in rows:
            self.keep("adapter", self.index, self.adapt(self.base, "base"))
        if "full" in rows:
            full = self.tune("both")
            index = index_of(full[0], self.val)
            self.keep("full", index, full)
            if "stacked" in rows:
                self.keep("full + adapter", index, self.adapt(full[0], "full"))
        if self.options.third:
            third = SentenceTransformersEmbedding(self.options.third)
            self.keep("third", index_of(third, self.val), (third, 0, "as it is"))
        console.print(self.table, self.all_metrics(), sep="\n")
        same = "the same as before" if checksum(self.index) == self.stored else "CHANGED"
        console.print(f"vectors stored in the base's index: {same}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--val", type=Path)
    parser.add_argument("--model", default=None, help="hub name or folder; by default packaged")
    parser.add_argument("--third", help="hub name or folder of another model to compare with")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--max-seq-length", type=int, default=None)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, help="which of them")
    parser.add_argument(
        "--interpolations", nargs="+", type=float, default=[0.25, 0.5, 0.75, 1.0],
        help="shares of the way from the base's weights that are tried",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, help="folder of the models; by default none")
    parser.add_argument("--results", type=Path, help="JSON file to keep the figures in")
    parser.add_argument("--smoke", action="store_true", help="a small part of the demo's data")
    options = parser.parse_args()
    if options.smoke:
        options.epochs, options.max_seq_length, options.interpolations = 1, 32, [1.0]
    return options


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as temporary:
        train, val = options.train, options.val
        if train is None or val is None:
            train, val = smoke_files(Path(temporary))
            options.third = options.third or write_word_model(Path(temporary) / "third")
        Comparison(options, train, val, options.output or Path(temporary)).run()


if __name__ == "__main__":
    main()
