"""LlamaIndex's guide to embedding adapters, with only its import lines changed.

Trains on one company's report and serves another's. Prints the results on the questions of `--val`
over its chunks: the base, an adapter trained on `--train` alone, and one whose engine also reads
the index that it will serve (its document vectors, no labels).

    python examples/03_seed_guide.py --train train_dataset.json --val val_dataset.json

takes any two LlamaIndex QA files. Without them, two are made from the demo's data.
"""

import argparse
import tempfile
from pathlib import Path

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from results_file import as_json, write_results
from rich.console import Console

from llama_index_finetune_plugin import (
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
    LinearAdapterEmbedding,
    RetrieverEvaluator,
)
from query_adapters.data.splits import split_by_document
from query_adapters.demo import packaged_model, read_dataset
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.pairwise import compare
from query_adapters.evaluation.terminal_report import comparison_table

console = Console(highlight=False)


def demo_files(folder: Path) -> tuple[Path, Path]:
    """Write two QA files about different functions and return their paths."""
    paths = folder / "train.json", folder / "val.json"
    for path, part in zip(paths, split_by_document(read_dataset(n_queries=240)), strict=True):
        corpus = {key: part.corpus[key] for key in part.labelled_documents}
        relevant = {query: list(grades) for query, grades in part.qrels.items()}
        dataset = EmbeddingQAFinetuneDataset(
            queries=dict(part.queries), corpus=corpus, relevant_docs=relevant
        )
        dataset.save_json(path)
    return paths


def retrieve(
    index: VectorStoreIndex, model: BaseEmbedding, dataset: EmbeddingQAFinetuneDataset
) -> Evaluation:
    retriever = index.as_retriever(similarity_top_k=10, embed_model=model)
    return RetrieverEvaluator(retriever, show_progress=True).evaluate_dataset(dataset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--val", type=Path)
    parser.add_argument("--output", type=Path, help="folder of the adapters; by default none")
    parser.add_argument("--results", type=Path, help="JSON file to keep the figures in")
    parser.add_argument("--smoke", action="store_true", help="as without files")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        output = options.output or Path(temporary)
        train, val = options.train, options.val
        if train is None or val is None:
            train, val = demo_files(Path(temporary))
        train_dataset = EmbeddingQAFinetuneDataset.from_json(train)
        val_dataset = EmbeddingQAFinetuneDataset.from_json(val)

        base_embed_model = HuggingFaceEmbedding(packaged_model(), embed_batch_size=32)
        nodes = [TextNode(id_=key, text=text) for key, text in val_dataset.corpus.items()]
        index = VectorStoreIndex(nodes, embed_model=base_embed_model, show_progress=True)
        base = retrieve(index, base_embed_model, val_dataset)

        figures: dict[str, object] = {}
        for name, extra in (("training file alone", {}), ("+ served index", {"index": index})):
            folder = output / name.replace(" ", "-")
            engine = EmbeddingAdapterFinetuneEngine(
                train_dataset, base_embed_model, model_output_path=folder, verbose=True, **extra
            )
            engine.finetune()
            embed_model = LinearAdapterEmbedding(base_embed_model, folder)
            adapted = retrieve(index, embed_model, val_dataset)
            console.print(f"\n{name}: {engine.result.training.verdict}")
            comparison = compare(base, adapted)
            console.print(comparison_table(comparison))
            figures[name] = as_json(comparison)
        if options.results:
            write_results(options.results, figures)


if __name__ == "__main__":
    main()
