"""Serve a saved adapter on a persisted index.

Prints the top 3 for a few questions, with and without the adapter. Run 01_demo.py first, which
saves the index and the adapter in its output folder.
"""

import argparse
from pathlib import Path

from llama_index.core import StorageContext, load_index_from_storage
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from llama_index_finetune_plugin import LinearAdapterEmbedding

QUESTIONS = (
    "How do I read the contents of a .xz file directly in Python?",
    "sort objects by attribute",
    "wait until all worker threads are done",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo_output"))
    parser.add_argument("--model", required=True, help="the model that the index was built with")
    options = parser.parse_args()

    base = HuggingFaceEmbedding(options.model)
    storage = StorageContext.from_defaults(persist_dir=str(options.folder / "index"))
    index = load_index_from_storage(storage, embed_model=base)
    adapted = LinearAdapterEmbedding(base, options.folder / "adapter")
    adapted.verify()  # the base is the model that the adapter was trained on

    for question in QUESTIONS:
        print(f"\n{question}")
        for name, model in (("base", base), ("adapted", adapted)):
            nodes = index.as_retriever(similarity_top_k=3, embed_model=model).retrieve(question)
            print(f"  {name:8}{', '.join(node.node.node_id for node in nodes)}")


if __name__ == "__main__":
    main()
