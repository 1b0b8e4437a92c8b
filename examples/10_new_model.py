"""Serve an index with another model than the one that built it.

The index is built with all-MiniLM-L6-v2. Questions are then embedded by a far smaller model, its
averaged word vectors, through a bridge into MiniLM's space. Prints the verdict, then nDCG@10
through the unchanged index, and while a new index fills. Runs offline after the installation.
"""

import argparse
import tempfile
from pathlib import Path

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from rich.console import Console

from llama_index_finetune_plugin import MigratingRetriever, ModelUpgradeEngine, RetrieverEvaluator
from query_adapters.data.splits import split_by_query
from query_adapters.demo import packaged_model, read_dataset, write_word_model

console = Console(highlight=False)


def serve_with_another_model(folder: Path, *, n_queries: int | None) -> None:
    dataset = read_dataset(n_queries=n_queries)
    training, test = split_by_query(dataset, held_out=0.3, seed=0)

    old = HuggingFaceEmbedding(packaged_model(), embed_batch_size=32)
    new = HuggingFaceEmbedding(write_word_model(folder / "words"))
    nodes = [TextNode(id_=key, text=text) for key, text in dataset.corpus.items()]
    index = VectorStoreIndex(nodes, embed_model=old)

    engine = ModelUpgradeEngine(
        index, new, folder / "bridge", old_model=old, dataset=training, price_per_million_tokens=0.0
    )
    console.print(str(engine.plan), end="\n\n")
    engine.finetune()
    console.print(str(engine.result), end="\n\n")

    for name, model in {"old model": old, "new model": engine.get_finetuned_model()}.items():
        retriever = index.as_retriever(embed_model=model, similarity_top_k=10)
        found = RetrieverEvaluator(retriever, ["ndcg@10"]).evaluate_dataset(test)
        console.print(f"{name}, {len(test.queries)} held-out questions: {found}")

    filling = VectorStoreIndex([], embed_model=new)
    migrating = MigratingRetriever(index, filling, folder / "bridge", similarity_top_k=10)
    while not migrating.progress().is_complete:
        ids = migrating.next_to_embed(len(nodes) // 2 + 1)
        filling.insert_nodes(index.docstore.get_nodes(ids))
        found = RetrieverEvaluator(migrating, ["ndcg@10"]).evaluate_dataset(test)
        console.print(f"{migrating.progress()} {found}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few questions, for a quick check")
    with tempfile.TemporaryDirectory() as temporary:
        smoke = parser.parse_args().smoke
        serve_with_another_model(Path(temporary), n_queries=150 if smoke else None)
