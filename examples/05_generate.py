"""Generate questions for chunks, check them, train an adapter, and evaluate it.

The chunks are the documentation of Python's standard library. To run offline, the language model is
a placeholder that applies two rules; replace it by your own model (`OpenAI(...)`, `Cohere(...)`,
any LlamaIndex LLM). Questions about some modules are held out, by module. An adapter learns little
from rule-based questions, and the verdict may keep the base.
"""

import argparse
import re
import tempfile
from pathlib import Path
from typing import Any

from llama_index.core.llms import CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from rich.console import Console

from llama_index_finetune_plugin import EmbeddingAdapterFinetuneEngine
from llama_index_finetune_plugin.generation import question_generator, texts_of
from query_adapters.demo import packaged_model, read_dataset
from query_adapters.generation import Prices

PROMPT = "Write {num_questions_per_chunk} questions about this.\n\n{context_str}"
console = Console(highlight=False)


class RuleBasedQuestionWriter(CustomLLM):
    """A placeholder for a language model: a rewritten docstring sentence."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="rules")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        name, _, documentation = prompt.partition("\n\n")[2].partition("\n")
        first = re.split(r"(?<=\w)\.(?:\s|$)|\n\n", " ".join(documentation.split()))[0].lower()
        topic = " ".join(first.removeprefix("return ").removeprefix("the ").split()[:14])
        module = name.partition(".")[0]
        text = f"Here are two questions:\n1. How do I {first}?\n2. {module}: {topic}?"
        return CompletionResponse(text=text)

    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        raise NotImplementedError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=None, help="any Hugging Face model instead")
    parser.add_argument("--smoke", action="store_true", help="few chunks, for a quick check")
    options = parser.parse_args()

    real = read_dataset(n_queries=60 if options.smoke else 500)
    nodes = [TextNode(id_=name, text=text) for name, text in real.corpus.items()]
    base = HuggingFaceEmbedding(options.model or packaged_model(), embed_batch_size=32)

    with tempfile.TemporaryDirectory() as folder:
        generator = question_generator(
            RuleBasedQuestionWriter(),
            prompt=PROMPT,
            journal=Path(folder) / "answers.jsonl",
            embed_model=base,
            prices=Prices(prompt=0.15, answer=0.60),  # prices of a small model per million tokens
            show_progress=True,
        )
        chunks = texts_of(nodes)
        console.print(f"{generator.plan(chunks)}\n")
        generated = generator.run(chunks)
        console.print(f"\n{generated.summary}\n")

        modules = {name: name.partition(".")[0] for name in chunks}
        training, validation = generated.split(held_out=0.3, sources=modules)
        engine = EmbeddingAdapterFinetuneEngine(
            training, base, val_dataset=validation, model_output_path=Path(folder) / "adapter"
        )
        engine.finetune()
    console.print(f"Verdict: {engine.result.training.verdict}")


if __name__ == "__main__":
    main()
