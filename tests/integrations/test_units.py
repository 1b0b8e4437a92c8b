"""Tests of labels on units, in both frameworks and over every kind of store."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters.storage import read_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.units import Units
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation import evaluate_run
from query_adapters.fusion import ScoringHead, evaluate_fusion, read_fusion
from query_adapters.fusion.storage import save_fusion
from query_adapters.stores import StoredVectors, gather
from tests.integrations.both import each_store
from tests.integrations.framework import Framework
from tests.stores.kind import Chunk, OpenStore, StoreKind
from tests.stores.planted import (
    N_DOCUMENTS,
    QUICK,
    document_vector,
    key_of,
    query_vector,
    text_of,
)

PER_PARENT = 3
CHUNKS = [
    Chunk(key_of(n), text_of(n), {"doc_id": f"parent {n // PER_PARENT}", "kind": "even"})
    for n in range(N_DOCUMENTS)
]


def pairs(kind: str) -> list[tuple[str, str]]:
    """Return questions about every chunk with the id of its parent, not of the chunk."""
    return [(f"{kind} subject {n}", f"parent {n // PER_PARENT}") for n in range(N_DOCUMENTS)]


def labelled(questions: list[tuple[str, str]]) -> RetrievalDataset:
    parents = {parent: parent for _, parent in questions}
    texts = {text: text for text, _ in questions}
    return RetrievalDataset(texts, parents, {text: {parent: 1} for text, parent in questions})


TRAINING, HELD_OUT = [*pairs("how to use"), *pairs("what is")], labelled(pairs("why"))


@pytest.fixture
def base(framework: Framework) -> Any:
    return framework.make_base(model_name="planted", query=query_vector, document=document_vector)


@pytest.fixture
def filled(make_store: Callable[..., OpenStore], base: Any) -> Any:
    """Return an in-memory store of the chunks with their metadata."""
    store = make_store("in-memory", CHUNKS, base).store
    base.calls.clear()
    return store


def engine_on(framework: Framework, store: Any, output: Path, **options: Any) -> Any:
    settings = {"dataset": TRAINING, "model_output_path": output, "units": "doc_id", **QUICK}
    return framework.engines.onto_store(store=store, **(settings | options))


def ranked(vectors: StoredVectors, queries: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the parents of each query, by the best vector of each, in plain loops."""
    parent_of = {chunk.key: chunk.metadata["doc_id"] for chunk in CHUNKS}
    run = {}
    for text, vector in queries.items():
        rows = vectors.vectors.astype(np.float64)
        scores = rows @ np.asarray(vector, np.float64)
        if vectors.similarity != "dot":
            scores = -np.linalg.norm(rows - np.asarray(vector, np.float64), axis=1)
        if vectors.similarity == "cosine":
            scores = rows @ np.asarray(vector, np.float64) / np.linalg.norm(rows, axis=1)
        order = np.argsort(-scores, kind="stable")
        run[text] = list(dict.fromkeys(parent_of[vectors.ids[row]] for row in order))
    return run


def returns_metadata(kind: StoreKind) -> bool:
    """Return whether chunks are read back by id; in LangChain, every store returns them."""
    return kind.returns_texts or kind.__module__ == "tests.stores.langchain"


@pytest.mark.slow
@each_store(returns_metadata)
def test_a_store_of_child_chunks_is_trained_on_labels_of_parents(
    framework: Framework,
    name: str,
    make_store: Callable[..., OpenStore],
    base: Any,
    output: Path,
) -> None:
    opened = make_store(name, CHUNKS, base)
    base.calls.clear()
    engine = engine_on(framework, opened.store, output, val_dataset=HELD_OUT, check_model=False)
    engine.finetune()
    assert base.documents == []
    assert len(base.queries) == len(set(base.queries)) == len(TRAINING) + len(HELD_OUT.queries)
    validation = engine.result.validation["ndcg@10"]
    assert validation.adapted.mean > validation.base.mean + 0.1

    adapted = engine.get_finetuned_model()
    stored = gather(framework.stores.stored_vectors(opened.store))
    similarity = framework.stores.stored_similarity(opened.store)
    exact = StoredVectors(stored.ids, stored.vectors, similarity=similarity)
    run = ranked(exact, {q: framework.calls.query(adapted, q) for q in HELD_OUT.queries})
    expected = evaluate_run(run, HELD_OUT.qrels).means
    measured = framework.evaluate_store(opened.store, adapted, HELD_OUT, units="doc_id").means
    assert measured == pytest.approx(expected)
    assert validation.adapted.mean == pytest.approx(expected["ndcg@10"])

    opened.reopen(adapted)
    retriever = opened.retriever(N_DOCUMENTS)  # every chunk, so that every parent is found
    live = framework.evaluator(retriever, units="doc_id").evaluate_dataset(HELD_OUT).means
    assert live == pytest.approx(expected)


@pytest.mark.slow
@each_store(lambda kind: not returns_metadata(kind))
def test_a_store_that_returns_no_nodes_is_refused(
    framework: Framework,
    name: str,
    make_store: Callable[..., OpenStore],
    base: Any,
    output: Path,
) -> None:
    opened = make_store(name, CHUNKS, base)
    base.calls.clear()
    with pytest.raises(InvalidDatasetError, match=r"60 of 60.*cannot be read back.*docstore"):
        engine_on(framework, opened.store, output)
    assert base.calls == []


def test_retrieved_chunks_count_as_their_units_each_once_at_its_best_rank(
    framework: Framework, filled: Any
) -> None:
    retriever = framework.stores.retriever(filled, 9)
    question = "why subject 7"
    chunks = framework.stores.found(retriever, question)
    parent_of = {chunk.key: chunk.metadata["doc_id"] for chunk in CHUNKS}
    parents = list(dict.fromkeys(parent_of[key] for key in chunks))
    dataset = labelled([(question, parents[1])])
    for batch in (True, False):
        evaluator = framework.evaluator(retriever, ["mrr@9"], units="doc_id", batch=batch)
        evaluation = evaluator.evaluate_dataset(dataset)
        assert evaluation.run == {question: parents}
        assert evaluation.means == {"mrr@9": 0.5}
        one = evaluator.evaluate(question, [parents[1]])
        assert framework.scores(one) == {"mrr@9": 0.5}


async def test_units_are_scored_concurrently_too(framework: Framework, filled: Any) -> None:
    retriever = framework.stores.retriever(filled, 9)
    for batch in (True, False):
        evaluator = framework.evaluator(retriever, ["mrr@9"], units="doc_id", batch=batch)
        together = await evaluator.aevaluate_dataset(HELD_OUT)
        assert together.run == evaluator.evaluate_dataset(HELD_OUT).run


def test_a_function_names_the_unit(framework: Framework, filled: Any, output: Path) -> None:
    short = [(text, parent.removeprefix("parent ")) for text, parent in TRAINING]
    engine = engine_on(
        framework,
        filled,
        output,
        dataset=short,
        units=lambda chunk: int(chunk.metadata["doc_id"].removeprefix("parent ")),
    )
    engine.finetune()
    assert engine.result.training.n_documents == N_DOCUMENTS / PER_PARENT


def test_labels_on_units_reach_the_constructor_and_its_texts_are_not_embedded(
    framework: Framework, filled: Any, base: Any, output: Path
) -> None:
    onto = engine_on(framework, filled, output / "onto", check_model=False)
    onto.finetune()
    base.calls.clear()
    engine = framework.engines.adapter(
        labelled(TRAINING),
        base,
        store=filled,
        units="doc_id",
        model_output_path=output / "constructed",
        **QUICK,
    )
    engine.finetune()
    assert base.documents == []
    query = np.ones(len(document_vector("a")), dtype=np.float32)
    constructed, read = (e.result.saved.adapter(query) for e in (engine, onto))
    np.testing.assert_allclose(constructed, read, atol=1e-3)


def test_whole_units_are_sampled(framework: Framework, filled: Any, output: Path) -> None:
    questions = [pair for pair in TRAINING if pair[1] in ("parent 0", "parent 1")]
    engine = engine_on(framework, filled, output, dataset=questions, max_documents=10)
    engine.finetune()
    assert engine.result.training.n_documents == 2 + 10 // PER_PARENT
    assert engine.result.training.seen_share < 1


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown units": (
        {"dataset": [("who?", "parent 99"), ("what?", "parent 1")]},
        r"labels that name units of the index, got 1 of 2.*'parent 99', where units are.*'parent ",
    ),
    "a chunk and a unit": (
        {"dataset": [("who?", key_of(4)), ("what?", "parent 1")]},
        rf"labels on units alone, got 1 of 2 on chunks, such as '{key_of(4)}'.*unit 'parent 1'",
    ),
    "a validation label": (
        {"val_dataset": [("who?", "parent 99")]},
        r"got 1 of 21 that do not, such as 'parent 99'",
    ),
    "no such key": ({"units": "source"}, r"units='source', got none for 60 of 60.*'doc_id'"),
    "two units": ({"units": lambda chunk: ["a", "b"]}, r"one unit for each chunk, got \['a', 'b'"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_labels_are_refused_before_anything_is_embedded(
    options: dict[str, Any],
    message: str,
    framework: Framework,
    filled: Any,
    base: Any,
    output: Path,
) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        engine_on(framework, filled, output, **options)
    assert base.calls == []
    assert not output.exists()


TOP_K = {"langchain": "k", "llama_index": "similarity_top_k"}
HEAD = ScoringHead({"lexical": 0.4, "votes_10": 0.3, "hubness": 0.2})


def test_the_learned_retriever_ranks_units_as_exact_search_does(
    framework: Framework, make_store: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    opened = make_store("in-memory", CHUNKS, base)
    base.calls.clear()
    engine = engine_on(framework, opened.store, output, hybrid=True, check_model=False)
    engine.finetune()
    assert base.documents == []
    learned = read_fusion(output, memory_map=False)
    assert sorted(map(len, learned.model.units)) == [PER_PARENT] * (N_DOCUMENTS // PER_PARENT)
    save_fusion(replace(learned, model=replace(learned.model, head=HEAD)), output)

    retriever = engine.get_finetuned_retriever(opened.store, **{TOP_K[framework.name]: N_DOCUMENTS})
    live = framework.evaluator(retriever, ["ndcg@10"], units="doc_id").evaluate_dataset(HELD_OUT)
    stored = gather(framework.stores.stored_vectors(opened.store))
    chunks = {chunk.key: opened.kind.embedded_text(chunk) for chunk in CHUNKS}
    parent_of = {chunk.key: chunk.metadata["doc_id"] for chunk in CHUNKS}
    parents = dict.fromkeys(parent_of.values())
    embedded = EmbeddedDataset(
        np.array([query_vector(question) for question in HELD_OUT.queries]),
        stored.vectors,
        tuple(
            np.array([list(parents).index(next(iter(HELD_OUT.qrels[query])))])
            for query in HELD_OUT.qrels
        ),
        units=np.array([list(parents).index(parent_of[key]) for key in stored.ids]),
    )
    exact = evaluate_fusion(
        embedded,
        read_fusion(output),
        texts=replace(HELD_OUT, corpus={parent: parent for parent in parents}),
        chunks={key: chunks[key] for key in stored.ids},
        metrics=["ndcg@10"],
    )
    assert {query: list(found)[:10] for query, found in live.run.items()} == exact.run
    assert live.means == pytest.approx(exact.means)


def test_equal_texts_under_two_ids_are_one_unit(
    framework: Framework, make_store: Callable[..., OpenStore], base: Any, output: Path
) -> None:
    copies = [replace(chunk, key=key_of(1_000 + n)) for n, chunk in enumerate(CHUNKS[:20])]
    store = make_store("in-memory", [*CHUNKS, *copies], base).store
    questions = [(f"how to use subject {n}", text_of(n)) for n in range(N_DOCUMENTS)]
    engine = engine_on(framework, store, output, dataset=questions, units="text")
    engine.finetune()
    assert engine.result.training.n_documents == N_DOCUMENTS
    retriever = framework.stores.retriever(store, 9)
    evaluator = framework.evaluator(retriever, ["mrr@9"], units="text")
    ranking = evaluator.evaluate_dataset(labelled(questions)).run[questions[0][0]]
    assert len(set(ranking)) == len(ranking)
    assert set(ranking) <= {text_of(n) for n in range(N_DOCUMENTS)}


@pytest.mark.parametrize(("units", "rule"), [("doc_id", "doc_id"), (None, "function")])
def test_the_record_and_the_card_state_the_units(
    units: str | None, rule: str, framework: Framework, filled: Any, output: Path
) -> None:
    given = units or (lambda chunk: chunk.metadata["doc_id"])
    engine_on(framework, filled, output, units=given).finetune()
    n_units = N_DOCUMENTS // PER_PARENT
    expected = {"rule": rule, "units": n_units, "vectors": N_DOCUMENTS}
    assert read_adapter(output).record.training["units"] == expected
    card = (output / "README.md").read_text(encoding="utf-8")
    assert f"(units='{rule}'): {n_units} units of {N_DOCUMENTS} vectors" in card


def test_units_of_vectors_that_were_read_before_are_checked(
    framework: Framework, base: Any, output: Path
) -> None:
    stored = StoredVectors(
        ("a", "b"), np.eye(2, dtype=np.float32), units=Units.of(["left", "right"])
    )
    for hybrid, message in ((False, "got 1 of 1 on chunks"), (True, "texts of the index's")):
        with pytest.raises(InvalidDatasetError, match=message):
            framework.engines.adapter(
                labelled([("who?", "a")]),
                base,
                store=stored,
                hybrid=hybrid,
                model_output_path=output,
            )
    assert base.calls == []
