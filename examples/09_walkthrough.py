"""The whole loop: a dataset, an engine, the adapter on the unchanged index, and an evaluation.

Prints hit rate and MRR of base, adapted, and a third model with its own index: the base's averaged
word vectors. Runs offline after the installation.
"""

import argparse
import tempfile
from pathlib import Path

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from rich.console import Console

from llama_index_finetune_plugin import EmbeddingAdapterFinetuneEngine, RetrieverEvaluator
from query_adapters.data.splits import split_by_query
from query_adapters.demo import packaged_model, read_dataset, write_word_model
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.terminal_report import systems_table

console = Console(highlight=False)


def walk_through(folder: Path, *, n_queries: int | None) -> None:
    dataset = read_dataset(n_queries=n_queries)
    training, test = split_by_query(dataset, held_out=0.3, seed=0)

    base = HuggingFaceEmbedding(packaged_model(), embed_batch_size=32)
    words = HuggingFaceEmbedding(write_word_model(folder / "words"))
    nodes = [TextNode(id_=key, text=text) for key, text in dataset.corpus.items()]
    index, words_index = (VectorStoreIndex(nodes, embed_model=model) for model in (base, words))

    engine = EmbeddingAdapterFinetuneEngine(
        training, base, index=index, model_output_path=folder / "adapter"
    )
    engine.finetune()
    console.print(engine.result.training.verdict, end="\n\n")

    adapted = engine.get_finetuned_model()  # the index stays as it is
    systems = {"base": (index, base), "adapted": (index, adapted), "words": (words_index, words)}
    scores = {}
    for name, (searched, model) in systems.items():
        retriever = searched.as_retriever(embed_model=model, similarity_top_k=10)
        evaluator = RetrieverEvaluator(retriever, ["hit_rate@5", "mrr@10"])
        scores[name] = evaluator.evaluate_dataset(test)
    title = f"{len(test.queries)} held-out questions, {len(nodes)} documents"
    console.print(systems_table(compare_systems(scores, baseline="base"), title=title))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few questions, for a quick check")
    with tempfile.TemporaryDirectory() as temporary:
        walk_through(Path(temporary), n_queries=150 if parser.parse_args().smoke else None)
