"""Test the commands on a folder with a learned retriever, against the results of the package."""

import json
import shutil
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters import embed_dataset, evaluate_vectors, read_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.formats import write_beir
from query_adapters.data.paths import load_dataset
from query_adapters.embedders import EMBEDDERS
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.fusion import ScoringHead, evaluate_fusion, evaluate_hybrids, explain_fusion
from query_adapters.fusion.explain import weights_in_words
from query_adapters.fusion.storage import LEXICAL_FOLDER, SavedFusion, read_fusion, save_fusion
from query_adapters.lexical import LexicalIndex, Tokenizer
from tests.query_adapters.cli.command_line import CommandLine
from tests.query_adapters.finetuning.test_hybrid import dataset_of, text_of

pytestmark = pytest.mark.slow

N = 40
SYSTEMS = ["learned retriever", "reciprocal rank fusion", "relative scores"]
MODEL = ["-m", "fake:words"]


@pytest.fixture
def model(make_embedder: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register and return the model `fake:words`, whose vectors know nothing of the texts."""
    known = make_embedder(batch_size=64)
    monkeypatch.setitem(EMBEDDERS, "fake", lambda name: known)
    return known


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Return a BEIR folder whose questions name the number that their document holds."""
    training = dataset_of(range(N))
    questions = {f"t{row}": f"price of no{row} please" for row in range(0, N, 2)}
    test = RetrievalDataset(
        questions, training.corpus, {f"t{row}": {f"d{row}": 1.0} for row in range(0, N, 2)}
    )
    write_beir(training, tmp_path / "words", split="train")
    write_beir(test, tmp_path / "words", split="test")
    return tmp_path / "words"


@pytest.fixture
def folder(cli: CommandLine, words: Path, model: Any, trained_once: Callable[..., Path]) -> Path:
    """Return the folder of a learned retriever."""
    return trained_once(cli, words, *MODEL, "--hybrid", "--no-memory", "--folds", "2")


def change_head(folder: Path, weights: dict[str, float], *, similarity: str = "cosine") -> None:
    """Replace the weights, and what the store ranks by, in a folder."""
    fusion = read_fusion(folder, memory_map=False)
    parts = vars(fusion.model) | {"head": ScoringHead(weights), "similarity": similarity}
    own = {name: parts[name] for name in type(fusion.model).__dataclass_fields__}
    save_fusion(SavedFusion(model=type(fusion.model)(**own), saved=fusion.saved), folder)


def systems_of(folder: Path, data: Path, model: Any) -> dict[str, Evaluation]:
    """Return the evaluations of all systems, by calls of the package."""
    texts = load_dataset(data, split="test")
    embedded = embed_dataset(texts, model)
    fusion = read_fusion(folder).model
    return {
        "base": evaluate_vectors(embedded, texts=texts),
        str(folder): evaluate_vectors(embedded, fusion.adapter, texts=texts),
        "learned retriever": evaluate_fusion(embedded, fusion, texts=texts),
        **evaluate_hybrids(embedded, texts=texts),
    }


def test_compare_measures_the_retriever_and_the_hybrids_beside_base_and_adapter(
    cli: CommandLine, words: Path, folder: Path, model: Any
) -> None:
    compared = cli.json("compare", words, *MODEL, "-a", folder)
    assert compared["systems"] == ["base", str(folder), *SYSTEMS]
    expected = compare_systems(
        systems_of(folder, words, model),
        baseline="base",
        dataset=load_dataset(words, split="test"),
    ).to_dict()
    assert compared["parts"] == json.loads(json.dumps(expected["parts"]))
    scores = compared["parts"][0]["scores"]["ndcg@10"]
    gain = scores["learned retriever"]["against"]
    assert gain["difference"]["low"] > 0.3
    assert gain["p_adjusted"] >= gain["p_value"]
    shown = cli.text("compare", words, *MODEL, "-a", folder)
    assert [name in shown for name in SYSTEMS] == [True] * 3


def test_evaluate_shows_the_adapter_alone_and_the_retriever(
    cli: CommandLine, words: Path, folder: Path, model: Any
) -> None:
    expected = systems_of(folder, words, model)
    evaluated = cli.json("evaluate", words, *MODEL, "-a", folder)
    assert evaluated == {
        "queries": N // 2,
        "means": expected[str(folder)].means,
        "learned_retriever": expected["learned retriever"].means,
    }
    adapter, retriever = cli.text("evaluate", words, *MODEL, "-a", folder).splitlines()
    assert adapter.split(maxsplit=1) == ["adapter", str(expected[str(folder)])]
    assert retriever.split(maxsplit=2) == [*SYSTEMS[0].split(), str(expected[SYSTEMS[0]])]
    assert cli.json("evaluate", words, *MODEL).keys() == {"queries", "means"}


def test_documents_that_the_folder_does_not_know_have_their_exact_words_too(
    cli: CommandLine, words: Path, folder: Path, model: Any
) -> None:
    other = words.parent / "other"
    corpus = {f"d{row}": text_of(row) for row in range(N - 5, N + 5)}
    questions = {f"t{row}": f"price of no{row} please" for row in range(N, N + 5)}
    answers = {f"t{row}": {f"d{row}": 1.0} for row in range(N, N + 5)}
    write_beir(RetrievalDataset(questions, corpus, answers), other, split="test")
    evaluated = cli.json("evaluate", other, *MODEL, "-a", folder, "--metric", "hit_rate@1")
    assert evaluated["learned_retriever"]["hit_rate@1"] == 1
    assert evaluated["means"]["hit_rate@1"] < 1
    compared = cli.json("compare", other, *MODEL, "-a", folder, "--metric", "hit_rate@1")
    means = compared["parts"][0]["scores"]["hit_rate@1"]
    assert means["learned retriever"]["mean"]["mean"] == 1


def test_the_report_explains_weights_and_the_question_that_gains_most(
    cli: CommandLine, words: Path, folder: Path, model: Any
) -> None:
    page = words.parent / "report.html"
    cli.text("report", words, *MODEL, "-a", folder, "-o", page)
    shown = unescape(page.read_text(encoding="utf-8"))
    verdict = read_adapter(folder).record.training["retriever"]["verdict"]
    assert all(line in shown for line in verdict.splitlines())
    fusion = read_fusion(folder).model
    assert all(one.meaning in shown for one in weights_in_words(fusion.head))
    evaluations = systems_of(folder, words, model)
    gains = evaluations["learned retriever"].per_query["ndcg@10"]
    best = int(np.argmax(gains - evaluations["base"].per_query["ndcg@10"]))
    texts = load_dataset(words, split="test")
    asked = list(texts.queries)[best]
    assert f'<p class="lead">{texts.queries[asked]}</p>' in shown
    example = explain_fusion(
        embed_dataset(texts, model), fusion, texts=texts, query_id=asked
    ).example
    assert example is not None
    for document in example.documents:
        cells = f"<td>{document.rank_before}</td><td>{document.rank}</td>"
        assert f"{cells}<td>{document.score:.3f}</td>" in shown.replace("−", "-")


@pytest.mark.parametrize("asked", ["t6", "price of no6 please"])
def test_the_question_to_explain_can_be_chosen_by_text_or_id(
    asked: str, cli: CommandLine, words: Path, folder: Path
) -> None:
    page = words.parent / "report.html"
    cli.text("report", words, *MODEL, "-a", folder, "-o", page, "--explain", asked)
    assert '<p class="lead">price of no6 please</p>' in page.read_text(encoding="utf-8")


def test_several_retrievers_are_told_apart_by_their_folders(
    cli: CommandLine, words: Path, folder: Path, model: Any
) -> None:
    other = shutil.copytree(folder, folder.parent / "second")
    change_head(other, {"hubness": 0.1})
    both = ["-a", folder, "-a", other]
    compared = cli.json("compare", words, *MODEL, *both)
    names = [f"{path}: learned retriever" for path in (folder, other)]
    assert compared["systems"] == ["base", str(folder), str(other), *names, *SYSTEMS[1:]]
    page = words.parent / "report.html"
    cli.text("report", words, *MODEL, *both, "-o", page)
    assert "One question, part by part" not in page.read_text(encoding="utf-8")


def test_a_folder_without_a_head_is_compared_as_before(
    cli: CommandLine, words: Path, model: Any
) -> None:
    plain, page = words.parent / "plain", words.parent / "report.html"
    cli.text("train", words, *MODEL, "-o", plain, "--no-memory", "--folds", 2)
    assert cli.json("compare", words, *MODEL, "-a", plain)["systems"] == ["base", str(plain)]
    assert cli.json("evaluate", words, *MODEL, "-a", plain).keys() == {"queries", "means"}
    assert "retriever" not in cli.json("inspect", plain)
    assert "retriever" not in cli.text("inspect", plain)
    cli.text("report", words, *MODEL, "-a", plain, "-o", page)
    assert "Learned retriever" not in page.read_text(encoding="utf-8")
    told = cli.refusal(
        "report", words, *MODEL, "-a", plain, "-o", page, "--explain", "t6", status=2
    )
    assert "expected one adapter, with a scoring head" in told


@pytest.mark.parametrize(
    ("language", "told"), [("english", "english"), (None, "words as they are")]
)
def test_inspect_shows_verdict_weights_and_exact_words(
    language: str | None,
    told: str,
    cli: CommandLine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = {f"d{row}": text_of(row) for row in range(N)}
    blocks = [(list(texts), list(texts.values()))]
    LexicalIndex.build(blocks, tokenizer=Tokenizer(language)).save(folder / LEXICAL_FOLDER)
    monkeypatch.setitem(sys.modules, "bm25s", None)  # the folder is read without the extra
    fusion = read_adapter(folder)
    described, shown = cli.json("inspect", folder), cli.text("inspect", folder)
    weights = fusion.attachments["fusion"].record["weights"]
    assert described["retriever"] == {
        "weights": weights,
        "similarity": "cosine",
        "depth": 100,
        "questions": N,
        "lexical": {"documents": N, "language": language},
    }
    assert f"Learned retriever: {fusion.record.training['retriever']['verdict']}" in shown
    rows = [line.split(maxsplit=2) for line in shown.splitlines() if line.startswith("exact")]
    assert [row[2].split()[0] for row in rows] == [f"{weights['lexical']:.3g}"]
    assert f"{N} documents, {told}" in shown


def test_a_head_without_weights_is_told(cli: CommandLine, words: Path, folder: Path) -> None:
    change_head(folder, {})
    assert cli.json("inspect", folder)["retriever"]["lexical"] is None
    assert "no weights were shown to gain" in cli.text("inspect", folder)
    compared = cli.json("compare", words, *MODEL, "-a", folder)
    scores = compared["parts"][0]["scores"]["ndcg@10"]
    assert compared["systems"] == ["base", str(folder), *SYSTEMS]
    assert scores["learned retriever"] == scores[str(folder)]
    page = words.parent / "report.html"
    cli.text("report", words, *MODEL, "-a", folder, "-o", page)
    assert "no weights were shown to gain" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["evaluate", "compare", "report"])
def test_another_similarity_than_the_retriever_s_is_refused_before_embedding(
    command: str, cli: CommandLine, words: Path, folder: Path, model: Any
) -> None:
    change_head(folder, {"lexical": 1.0}, similarity="dot")
    output = ["-o", words.parent / "r.html"] if command == "report" else []
    model.calls.clear()
    told = cli.refusal(command, words, *MODEL, "-a", folder, *output, status=2)
    assert "--similarity: expected dot" in told
    assert model.calls == []
    cli.text(command, words, *MODEL, "-a", folder, *output, "--similarity", "dot")


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_without_the_extra_the_remedy_is_told_before_embedding(
    command: str,
    cli: CommandLine,
    words: Path,
    folder: Path,
    model: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model.calls.clear()
    monkeypatch.setitem(sys.modules, "bm25s", None)
    told = cli.refusal(command, words, *MODEL, "-a", folder)
    assert "pip install 'llama-index-finetune-plugin[hybrid]'" in told
    assert model.calls == []


def test_an_unknown_question_and_a_taken_name_are_refused(
    cli: CommandLine, words: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ["-o", words.parent / "r.html"]
    told = cli.refusal("report", words, *MODEL, "-a", folder, *page, "--explain", "why?", status=2)
    assert "expected the text or id of a question of the dataset, got 'why?'" in told
    monkeypatch.chdir(words.parent)
    Path(folder.name).rename("relative scores")
    told = cli.refusal("compare", words, *MODEL, "-a", "relative scores", status=2)
    assert "none may be named 'base' or as another system" in told


def test_a_lexical_index_that_is_missing_is_told(cli: CommandLine, folder: Path) -> None:
    shutil.rmtree(folder / LEXICAL_FOLDER)
    assert "expected a complete lexical index" in cli.refusal("inspect", folder)


def test_the_saved_exact_words_are_used(
    cli: CommandLine, words: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the texts are in the saved index")

    monkeypatch.setattr(LexicalIndex, "build", refuse)
    monkeypatch.setattr(LexicalIndex, "updated", refuse)
    assert cli.json("compare", words, *MODEL, "-a", folder)["systems"][-3:] == SYSTEMS
