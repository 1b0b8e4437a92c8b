"""The engine for the model itself, with a LangChain vector store that stays as it is."""

from pathlib import Path

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from sentence_transformers import SentenceTransformer

from langchain_adapter import RetrieverEvaluator
from langchain_adapter.sentence_transformers import (
    SentenceTransformersEmbeddings,
    SentenceTransformersFinetuneEngine,
)
from query_adapters.data.splits import split_by_document
from tests.tiny_model import LEARNS, save_tiny_model, toy_dataset


def test_the_query_tower_serves_the_store_that_is_there(tmp_path: Path) -> None:
    tiny = save_tiny_model(tmp_path / "tiny-bert")
    training, held_out = split_by_document(toy_dataset(), held_out=0.3)
    base = SentenceTransformersEmbeddings(tiny, device="cpu")
    store = InMemoryVectorStore(base)
    documents = training.corpus.items()
    store.add_documents([Document(id=key, page_content=text) for key, text in documents])
    before = {key: row["vector"] for key, row in store.store.items()}

    engine = SentenceTransformersFinetuneEngine(
        training,
        tiny,
        model_output_path=tmp_path / "tuned",
        vectorstore=store,
        device="cpu",
        show_progress_bar=False,
        train="query",
        learning_rate=LEARNS["learning_rate"],
        batch_size=16,
        epochs=3,
    )
    engine.finetune()
    tuned = engine.get_finetuned_model()

    def ndcg() -> float:
        retriever = store.as_retriever(search_kwargs={"k": 10})
        return RetrieverEvaluator(retriever).evaluate_dataset(held_out).means["ndcg@10"]

    untuned = ndcg()
    store.embedding = tuned
    assert ndcg() > untuned + 0.3
    assert {key: row["vector"] for key, row in store.store.items()} == before
    assert tuned.identity != base.identity
    assert tuned.identity is tuned.identity  # told once, not read from all weights per question
    text = "asked1 said1"
    assert tuned.embed_documents([text]) == base.embed_documents([text])
    model = SentenceTransformer(str(engine.result.folder), device="cpu")
    np.testing.assert_allclose(tuned.embed_query(text), model.encode_query(text), atol=1e-6)
