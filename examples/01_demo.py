"""Train and evaluate a query adapter on real data, without changing the index.

Indexes the documentation of Python's standard library with a base model, trains a query adapter on
part of our questions, and compares base and adapted on the others: hit rate, MRR and nDCG with 95 %
intervals, then the learned retriever with the base, and questions whose top 3 changed.
`--report page.html` writes an HTML page, which also has the frameworks' default hybrids. A new
process then serves the saved adapter on the persisted index (02_serve.py). Runs offline after the
installation.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from results_file import as_json, write_results
from rich.console import Console

from llama_index_finetune_plugin import (
    EmbeddingAdapterFinetuneEngine,
    LlamaIndexEmbedder,
    RetrieverEvaluator,
    stored_vectors,
)
from query_adapters import embed_dataset
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import split_by_query
from query_adapters.demo import packaged_model, read_dataset
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.html_report import write_html
from query_adapters.evaluation.pairwise import compare
from query_adapters.evaluation.slices import seen_documents
from query_adapters.evaluation.terminal_report import comparison_table
from query_adapters.fusion import evaluate_hybrids, explain_fusion, read_fusion

HERE = Path(__file__).parent
console = Console(highlight=False)


def build_index(dataset: RetrievalDataset, base: BaseEmbedding, folder: Path) -> VectorStoreIndex:
    by_length = sorted(dataset.corpus.items(), key=lambda item: len(item[1]))  # less padding
    nodes = [TextNode(id_=key, text=text) for key, text in by_length]
    index = VectorStoreIndex(nodes, embed_model=base, show_progress=True)
    index.storage_context.persist(folder)
    return index


def evaluate(retriever: BaseRetriever, dataset: RetrievalDataset) -> Evaluation:
    return RetrieverEvaluator(retriever, show_progress=True).evaluate_dataset(dataset)


def search_with(index: VectorStoreIndex, model: BaseEmbedding) -> BaseRetriever:
    return index.as_retriever(similarity_top_k=10, embed_model=model)


def show_changes(dataset: RetrievalDataset, base: Evaluation, adapted: Evaluation) -> None:
    gains = adapted.per_query["mrr@10"] - base.per_query["mrr@10"]
    order = sorted(range(len(gains)), key=lambda row: -gains[row])
    for row in [*order[:2], order[-1]]:  # the two largest gains and the largest loss
        query = base.query_ids[row]
        console.print(f"\n[bold]{dataset.queries[query]}[/bold]")
        for name, evaluation in (("base", base), ("adapted", adapted)):
            top = [f"[green]{d}[/green]" if d in dataset.qrels[query] else d
                   for d in evaluation.run[query][:3]]  # fmt: skip
            console.print(f"  {name:8}{', '.join(top)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=None, help="any Hugging Face model instead")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    parser.add_argument("--results", type=Path, help="JSON file to keep the figures in")
    parser.add_argument("--report", type=Path, help="HTML page to write")
    parser.add_argument("--smoke", action="store_true", help="few questions, for a quick check")
    options = parser.parse_args()

    dataset = read_dataset(n_queries=240 if options.smoke else None)
    training, held_out = split_by_query(dataset, held_out=0.3, seed=0)
    console.print(
        f"{dataset}: {len(training.queries)} to train on, {len(held_out.queries)} held out"
    )
    base = HuggingFaceEmbedding(options.model or packaged_model(), embed_batch_size=32)
    index = build_index(dataset, base, options.output / "index")

    engine = EmbeddingAdapterFinetuneEngine(
        training,
        base,
        index=index,
        model_output_path=options.output / "adapter",
        hybrid=True,
        verbose=True,
    )
    engine.finetune()
    result = engine.result.training
    console.print(f"\n{engine.result}  ({result.elapsed_seconds:.0f} s)\n")

    before = evaluate(search_with(index, base), held_out)
    after = evaluate(search_with(index, engine.get_finetuned_model()), held_out)
    learned = evaluate(engine.get_finetuned_retriever(index), held_out)
    title = f"{len(held_out.queries)} held-out questions, {len(dataset.corpus)} documents"
    comparison, with_words = compare(before, after), compare(before, learned)
    console.print(comparison_table(comparison, title=title))
    console.print(comparison_table(with_words, title="the learned retriever, same questions"))
    show_changes(held_out, before, after)

    if options.report:
        stored = {
            k: v for ids, rows in stored_vectors(index) for k, v in zip(ids, rows, strict=True)
        }
        embedded = embed_dataset(held_out, LlamaIndexEmbedder(base), stored=stored)
        systems = {"base": before, "adapted": after, "learned retriever": learned}
        whole = compare_systems(
            systems | evaluate_hybrids(embedded, texts=held_out),
            baseline="base",
            slices={"document": seen_documents(held_out, training)},
            dataset=held_out,
            about={"embedding_model": base.model_name},
        )
        example = next((c.query_id for c in whole.gains("learned retriever", n=1)), None)
        fusion = read_fusion(options.output / "adapter")
        explained = explain_fusion(embedded, fusion, texts=held_out, query_id=example)
        details = {"training": result, "retriever": explained, "title": title}
        console.print(f"\nThe whole comparison: {write_html(whole, options.report, **details)}")

    if options.results:
        figures = {
            "what": title,
            "verdict": str(engine.result),
            "metrics": as_json(comparison),
            "learned_retriever": as_json(with_words),
        }
        write_results(options.results, figures)

    console.print("\nThe same adapter on the persisted index, in a fresh process:")
    command = [sys.executable, HERE / "02_serve.py", options.output, "--model", base.model_name]
    subprocess.run(command, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
