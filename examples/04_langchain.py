"""A LangChain RAG chain over an existing vector store, without and with an adapter.

Fills a vector store with the documentation of Python's standard library and saves it, trains an
adapter on part of our questions with the store's own vectors, opens the store again with the
adapted model, and evaluates both on the other questions. Runs offline after the installation: a
placeholder for the language model answers with the first name in its context.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever
from rich.console import Console
from sentence_transformers import SentenceTransformer

from langchain_adapter import EmbeddingAdapterFinetuneEngine, RetrieverEvaluator
from query_adapters.data.splits import split_by_query
from query_adapters.demo import packaged_model, read_dataset
from query_adapters.evaluation.pairwise import compare
from query_adapters.evaluation.terminal_report import comparison_table

console = Console(highlight=False)
PROMPT = ChatPromptTemplate.from_template("Question: {question}\nContext:\n{context}")


class PackagedEmbeddings(Embeddings):
    """The demo's model; any other LangChain embedding model works too."""

    model_name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        self._model = SentenceTransformer(packaged_model(), device="cpu")

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._model.encode(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class FirstName(SimpleChatModel):
    """A placeholder for a language model: the answer is the first line of the context."""

    _llm_type = "first-name"

    def _call(self, messages: list[BaseMessage], *_: Any, **__: Any) -> str:
        return str(messages[-1].content).partition("Context:\n")[2].partition("\n")[0]


def retriever_of(path: Path, embeddings: Embeddings) -> VectorStoreRetriever:
    store = InMemoryVectorStore.load(str(path), embeddings)
    return store.as_retriever(search_kwargs={"k": 10})


def chain_of(retriever: VectorStoreRetriever) -> Runnable[str, str]:
    context = retriever | (lambda found: "\n\n".join(d.page_content for d in found[:3]))
    inputs = {"context": context, "question": RunnablePassthrough()}
    return inputs | PROMPT | FirstName() | StrOutputParser()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few questions, for a quick check")
    dataset = read_dataset(n_queries=150 if parser.parse_args().smoke else 300)
    training, held_out = split_by_query(dataset, held_out=0.3, seed=0)

    with tempfile.TemporaryDirectory() as temporary:
        path, base = Path(temporary) / "store.json", PackagedEmbeddings()
        store = InMemoryVectorStore(base)
        store.add_documents([Document(text, id=key) for key, text in dataset.corpus.items()])
        store.dump(str(path))

        engine = EmbeddingAdapterFinetuneEngine(
            training, vectorstore=store, model_output_path=Path(temporary) / "adapter"
        )
        engine.finetune()
        console.print(f"\n{engine.result.training.verdict}\n")

        before, after = (
            retriever_of(path, model) for model in (base, engine.get_finetuned_model())
        )
        scores = [RetrieverEvaluator(one).evaluate_dataset(held_out) for one in (before, after)]
        title = f"{len(held_out.queries)} held-out questions, {len(dataset.corpus)} documents"
        console.print(comparison_table(compare(*scores), title=title))

        gains = scores[1].per_query["mrr@10"] - scores[0].per_query["mrr@10"]
        order = (-gains).argsort(kind="stable")  # the two largest gains and the largest loss
        questions = [list(held_out.queries.values())[row] for row in (*order[:2], order[-1])]
        answers = [chain_of(one).batch(questions) for one in (before, after)]
        for question, old, new in zip(questions, *answers, strict=True):
            console.print(f"\n{question}\n  base     {old}\n  adapted  {new}")


if __name__ == "__main__":
    main()
