"""Run the code of the LlamaHub and LangChain pages unchanged."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import TextNode

from query_adapters import LinearAdapter, save_adapter

PAGES = Path(__file__).resolve().parents[2] / "docs" / "providers"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
HARBOUR, FISHING = "The harbour is two miles to the east.", "Fishing needs a permit."
QUESTION = "how far is the harbour?"
DIM, N_CHUNKS = 8, 60
ROTATION = np.linalg.qr(np.random.default_rng(42).normal(size=(DIM, DIM)))[0]


def run_page(name: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run every Python block of the page in order and return the resulting namespace."""
    page = PAGES / name
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)  # noqa: S102
    return names


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class SwappedEmbeddings(Embeddings):
    """A model that maps each question to the vector of the other document."""

    def embed_query(self, text: str) -> list[float]:
        return [0.0, 1.0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [{HARBOUR: [1.0, 0.0], FISHING: [0.0, 1.0]}[text] for text in texts]


def test_langchain(capsys: pytest.CaptureFixture[str]) -> None:
    save_adapter(LinearAdapter([[0.0, 1.0], [1.0, 0.0]]), Path("my_adapter"))
    names = run_page("langchain.md", {"embeddings": SwappedEmbeddings()})
    assert HARBOUR in capsys.readouterr().out
    assert names["query_vector"] == [1.0, 0.0]
    assert names["document_vectors"] == [[1.0, 0.0]]


class RotatedEmbedding(BaseEmbedding):
    """A model that maps a question to the rotated vector of its chunk, plus noise."""

    def _get_query_embedding(self, query: str) -> list[float]:
        about = 0 if query == QUESTION else int(query.split()[-1])
        noise = np.random.default_rng(1000 + about).normal(size=DIM)
        vector = np.asarray(self._get_text_embedding(f"chunk {about}")) @ ROTATION + 0.2 * noise
        return [float(number) for number in vector]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        about = 0 if text == HARBOUR else int(text.split()[-1])
        return [float(number) for number in np.random.default_rng(about).normal(size=DIM)]


def test_llamahub(capsys: pytest.CaptureFixture[str]) -> None:
    model = RotatedEmbedding()
    nodes = [TextNode(id_=f"chunk-{n}", text=f"chunk {n}") for n in range(N_CHUNKS)]
    index = VectorStoreIndex(nodes, embed_model=model)
    questions = [(f"question {n}", f"chunk-{n}") for n in range(N_CHUNKS)]
    before = index.as_retriever(similarity_top_k=10).retrieve(QUESTION)
    names = run_page("llamahub.md", {"embed_model": model, "index": index, "questions": questions})
    assert "Use the adapter." in capsys.readouterr().out
    assert names["nodes"][0].node_id == "chunk-0" != before[0].node_id
    assert names["query_vector"] != model.get_query_embedding(QUESTION)
    assert names["document_vector"] == model.get_text_embedding(HARBOUR)
