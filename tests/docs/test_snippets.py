"""Run the code blocks of the documentation unchanged, on a problem that an adapter solves."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from langchain_core.language_models import FakeListChatModel
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from pyarrow import parquet

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.paths import load_dataset, write_dataset
from query_adapters.feedback import FeedbackLog
from tests import rotated_model
from tests.integrations.llama_index import PlainLLM
from tests.query_adapters.cli.command_line import CommandLine
from tests.rotated_model import CHUNKS, TEST, TRAINING, RotatedEmbedding, RotatedEmbeddings
from tests.servers.embeddings import KEY, EmbeddingServer

DOCS = Path(__file__).resolve().parents[2] / "docs"
QUESTIONS = TRAINING | TEST
TUTORIALS = ("tutorials/llama_index.md", "tutorials/langchain.md")
OTHERS = (
    "guides/dataset.md",
    "guides/deploy.md",
    "guides/evaluate.md",
    "guides/existing_index.md",
    "guides/experiments.md",
    "guides/feedback.md",
    "guides/generate_questions.md",
    "guides/label_free.md",
    "guides/labels.md",
    "guides/learned_retriever.md",
    "guides/memory.md",
    "guides/monitoring.md",
    "guides/pipelines.md",
    "guides/providers.md",
    "guides/refine.md",
    "guides/scale.md",
    "guides/serve.md",
    "guides/upgrade.md",
    "migration.md",
)
OWN_TESTS = ("extending/", "providers/")  # these pages have separate test modules
DECISIONS = ("adapter", "base", "start", "stay", "adapt", "bridge", "both", "re-embed")
Names = dict[str, Any]


def blocks(page: str, language: str = "python") -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def trained(folder: str) -> Any:
    from llama_index_finetune_plugin import EmbeddingAdapterFinetuneEngine

    engine = EmbeddingAdapterFinetuneEngine(
        rotated_model.dataset(TRAINING), RotatedEmbedding(), model_output_path=folder
    )
    engine.finetune()
    assert engine.result.decision == "adapter"
    return engine.get_finetuned_model()


def reader_names() -> Names:
    """Return the names that the pages assume: an index, models, texts and questions."""
    return {
        "base_embed_model": RotatedEmbedding(),
        "chat_model": FakeListChatModel(responses=["question?\nanother question?"]),
        "check_dataset": rotated_model.dataset(TEST),
        "corpus": CHUNKS,
        "documents": rotated_model.documents(),
        "embeddings": RotatedEmbeddings(),
        "index": rotated_model.index(),
        "llm": PlainLLM(answer="question?\nanother question?"),
        "new_dataset": rotated_model.dataset(TEST),
        "nodes": rotated_model.nodes(),
        "open_store": rotated_model.vectorstore,
        "questions": QUESTIONS,
        "test_dataset": rotated_model.dataset(TEST),
        "train_dataset": rotated_model.dataset(TRAINING),
        "vectorstore": rotated_model.vectorstore(),
    }


class ShortEmbedding(RotatedEmbedding):
    """Another model: the vectors of the first, turned and without their last dimension."""

    model_name: str = "short"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        turned: list[float] = (rotated_model.ROTATION @ rotated_model.vector(text))[:-1].tolist()
        return turned


class ShortEmbeddings(RotatedEmbeddings):
    """The same model in LangChain."""

    model_name = "short"

    def embed_query(self, text: str) -> list[float]:
        return ShortEmbedding().get_query_embedding(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


def saved_dataset(dataset: RetrievalDataset) -> Names:
    write_dataset(dataset, "train_dataset.json")
    return {}


def split_documents(names: Names) -> Names:
    """Return an index and a vector store of chunks, and questions with ids of documents."""
    return {
        "index": rotated_model.split_index(),
        "vectorstore": rotated_model.split_vectorstore(),
        "questions": [(text, rotated_model.source_of(ids[0])) for text, ids in TRAINING.items()],
        "test_dataset": rotated_model.source_dataset(TEST),
    }


def evaluated_model(names: Names) -> Names:
    """Return an adapted model, and blocks of questions over documents in a file of vectors."""
    adapted, base = trained("adapter"), names["base_embed_model"]
    np.save("documents.npy", base.get_text_embedding_batch(list(CHUNKS.values())))
    row_of = {key: row for row, key in enumerate(CHUNKS)}
    vectors = np.array([base.get_query_embedding(text) for text in TEST], dtype=np.float32)
    relevant = [np.array([row_of[key] for key in ids]) for ids in TEST.values()]
    return {
        "adapted_embed_model": adapted,
        "adapter": adapted.adapter,
        "question_blocks": [(vectors, relevant)],
    }


def logged_clicks(names: Names) -> Names:
    """Write a log in which every question was asked four times; its answer, at rank 2, clicked."""
    log = FeedbackLog("feedback.jsonl")
    for question, ids in [*TRAINING.items()] * 4:
        others = [key for key in list(CHUNKS)[:5] if key not in ids][:3]
        shown = log.shown(question, [others[0], *ids, *others[1:]])
        log.clicked(shown, ids[0])
    return {}


def texts_in_files(names: Names) -> Names:
    """Write documents and questions as Parquet files, and an adapter."""
    relevant = {text: [str(key) for key in ids] for text, ids in TEST.items()}
    tables = {
        "documents": {"id": list(CHUNKS), "text": list(CHUNKS.values())},
        "questions": {"text": list(relevant), "relevant": list(relevant.values())},
    }
    for name, columns in tables.items():
        Path(name).mkdir()
        parquet.write_table(pa.table(columns), Path(name, "0.parquet"))
    trained("my_adapter")
    return {}


PREPARE: dict[str, Callable[[Names], Names]] = {
    "guides/dataset.md": lambda names: {
        "passage": CHUNKS[names["nodes"][0].node_id],
        "other_passage": CHUNKS[names["nodes"][1].node_id],
        "old_index": names["index"],
        "old_texts": CHUNKS,
    },
    "guides/deploy.md": lambda names: {"old": trained("my_adapter")},
    "guides/evaluate.md": evaluated_model,
    "guides/existing_index.md": lambda names: {
        "questions": [(text, ids[0]) for text, ids in TRAINING.items()]
    },
    "guides/experiments.md": lambda names: {"old": trained("my_adapter")},
    "guides/feedback.md": logged_clicks,
    "guides/generate_questions.md": lambda names: {
        "nodes": names["nodes"][:3],
        "documents": names["documents"][:3],
    },
    "guides/learned_retriever.md": lambda names: {
        "bm25": names["index"].as_retriever(similarity_top_k=5),
        "bm25_retriever": names["vectorstore"].as_retriever(search_kwargs={"k": 5}),
    },
    "guides/labels.md": split_documents,
    "guides/monitoring.md": lambda names: {"old": trained("my_adapter")},
    "guides/pipelines.md": texts_in_files,
    "guides/refine.md": lambda names: {"old": trained("my_adapter")},
    "guides/serve.md": lambda names: {"old": trained("my_adapter")},
    "guides/upgrade.md": lambda names: {
        "new_model": ShortEmbedding(),
        "new_embeddings": ShortEmbeddings(),
        "questions": TRAINING,
    },
    "migration.md": lambda names: saved_dataset(names["train_dataset"]),
}


def run_page(page: str) -> Names:
    names = reader_names()
    if page in PREPARE:
        names |= PREPARE[page](names)
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)  # noqa: S102
    return names


@pytest.fixture(autouse=True)
def no_handlers() -> Iterator[None]:
    """Remove the event handlers that a page adds to LlamaIndex's dispatcher."""
    dispatcher = get_dispatcher()
    before = list(dispatcher.event_handlers)
    yield
    dispatcher.event_handlers = before


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("page", TUTORIALS)
def test_a_tutorial_ends_with_an_adapter_that_is_better_on_held_out_questions(
    page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run_page(page)
    printed = capsys.readouterr().out
    assert names["engine"].result.decision == "adapter"
    assert "Use the adapter." in printed
    assert str(names["base"]) in printed
    assert str(names["comparison"]) in printed
    means = {name: names[name].means["ndcg@10"] for name in ("base", "adapted")}
    assert means["adapted"] > means["base"] + 0.2


@pytest.mark.parametrize("page", OTHERS)
def test_the_code_of_a_page_runs(page: str) -> None:
    assert blocks(page), "a page without code needs no test"
    names = run_page(page)
    if "engine" in names:
        assert names["engine"].result.decision in DECISIONS


def test_every_page_with_python_code_is_run() -> None:
    with_code = {
        path.relative_to(DOCS).as_posix()
        for path in DOCS.rglob("*.md")
        if blocks(path.relative_to(DOCS).as_posix())
    }
    tested = {page for page in with_code if page.startswith(OWN_TESTS)} | {*TUTORIALS, *OTHERS}
    assert with_code == tested


def commands(page: str) -> Iterator[list[str]]:
    """Yield the commands of the blocks that are marked to run."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for block in re.findall(r"<!-- run -->\n```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            program, *arguments = shlex.split(line.removeprefix("$ "))
            assert program == "query-adapters"
            yield arguments


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def test_the_command_line_tutorial_runs_against_a_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [{"id": key, "text": text} for key, text in CHUNKS.items()]
    questions = [{"question": text, "relevant": ids} for text, ids in QUESTIONS.items()]
    write_lines(tmp_path / "corpus.jsonl", documents)
    write_lines(tmp_path / "questions.jsonl", questions)
    page = "tutorials/command_line.md"
    with EmbeddingServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        texts = [CommandLine().text(*arguments) for arguments in commands(page)]
    assert len(texts) == 6
    assert "held out" in texts[0]
    assert texts[1].startswith(("Use the adapter.", "Keep the base"))
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert load_dataset(tmp_path / "data", split="test").queries
