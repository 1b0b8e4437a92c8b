"""Test that trec_eval's parser reads our files and that reading them restores the data."""

from pathlib import Path
from typing import Any

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation import evaluate_run
from query_adapters.evaluation.interop import from_ranx, to_ir_measures, to_ranx
from query_adapters.evaluation.trec import (
    ranked,
    read_qrels,
    read_run,
    scored,
    write_qrels,
    write_run,
)

words = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5)
rankings = st.lists(words, min_size=1, max_size=12, unique=True)
RUN = {"q1": ["d3", "d1", "d3", "d2"], "q2": ["d2"], "q3": []}
QRELS = {"q1": {"d1": 2.0, "d9": 1.0}, "q2": {"d2": 1.0}, "q3": {"d1": 1.0}}
NAMES = ["recall@3", "map@10", "ndcg@2"]


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(run=st.dictionaries(words, rankings, max_size=4))
def test_a_run_comes_back_as_it_was(
    run: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_run(run, tmp_path_factory.mktemp("run") / "a.run")
    assert read_run(path) == run


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    qrels=st.dictionaries(words, st.dictionaries(words, st.integers(1, 9), min_size=1), max_size=4)
)
def test_judgements_come_back_as_they_were(
    qrels: dict[str, dict[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_qrels(qrels, tmp_path_factory.mktemp("qrels") / "a.qrels")
    assert read_qrels(path) == qrels


def test_trec_evals_own_parser_reads_the_files_and_agrees(tmp_path: Path) -> None:
    with write_run(RUN, tmp_path / "run", tag="ours").open() as file:
        run = pytrec_eval.parse_run(file)
    with write_qrels(QRELS, tmp_path / "qrels").open() as file:
        qrels = pytrec_eval.parse_qrel(file)
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.2", "recall.3"}).evaluate(run)
    ours = evaluate_run(RUN, QRELS, metrics=NAMES).per_query
    assert [found["q1"]["recall_3"], found["q2"]["recall_3"]] == ours["recall@3"][:2].tolist()
    assert found["q1"]["ndcg_cut_2"] == pytest.approx(ours["ndcg@2"][0])


@settings(max_examples=100, deadline=None)
@given(
    run=st.dictionaries(
        st.sampled_from(["q1", "q2", "q3"]),
        st.dictionaries(st.sampled_from([f"d{i}" for i in range(12)]), st.integers(-2, 2)),
    )
)
def test_a_scored_run_is_ranked_as_trec_eval_ranks_it(run: dict[str, dict[str, float]]) -> None:
    whole = {q: {d: int(grade) for d, grade in judged.items()} for q, judged in QRELS.items()}
    answered = {query: found for query, found in run.items() if found}
    theirs = pytrec_eval.RelevanceEvaluator(whole, {"recip_rank", "ndcg_cut.2"}).evaluate(
        {query: {d: float(score) for d, score in found.items()} for query, found in run.items()}
    )
    ours = evaluate_run(run, QRELS, metrics=["mrr@20", "ndcg@2"])
    for row, query in enumerate(ours.query_ids):
        expected = theirs[query] if query in answered else {"recip_rank": 0, "ndcg_cut_2": 0}
        assert ours.per_query["mrr@20"][row] == expected["recip_rank"]
        assert ours.per_query["ndcg@2"][row] == pytest.approx(expected["ndcg_cut_2"])


def test_a_scored_run_is_kept_and_written_best_first(tmp_path: Path) -> None:
    found = {"q1": {"d2": 0.1, "d1": 0.9}}
    assert evaluate_run(found, QRELS, metrics=["mrr@10"]).run == {"q1": ["d1", "d2"]}
    assert read_run(write_run(found, tmp_path / "run")) == {"q1": ["d1", "d2"]}


def test_a_text_in_place_of_ids_is_refused() -> None:
    with pytest.raises(TypeError, match=r"'q1': expected retrieved ids.*got 'd1'"):
        evaluate_run({"q1": "d1"}, QRELS)


def test_the_columns_are_trecs(tmp_path: Path) -> None:
    assert write_run(RUN, tmp_path / "run", tag="ours").read_text() == (
        "q1 Q0 d3 1 3 ours\nq1 Q0 d1 2 2 ours\nq1 Q0 d2 3 1 ours\nq2 Q0 d2 1 1 ours\n"
    )
    assert write_qrels({"q": {"d": 2.0}}, tmp_path / "qrels").read_text() == "q 0 d 2\n"


def test_scores_order_a_run_not_ranks_or_lines(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("q Q0 a 1 0.5 t\n\nq\tQ0\tb\t2\t7\tt\nq Q0 c 3 0.5 t\n")
    assert read_run(path) == {"q": ["b", "c", "a"]}


def test_judgements_of_0_or_less_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    path.write_text("q 0 a 0\nq 0 b 1\nq 0 c -1\nr 0 a 0\n")
    assert read_qrels(path) == {"q": {"b": 1.0}}


def test_files_of_another_kind_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("q 0 a 1\n")
    with pytest.raises(InvalidDatasetError, match="file:1: expected 6 columns, got 4"):
        read_run(path)
    path.write_text("q 0 a 1\nq 0 b one\n")
    with pytest.raises(InvalidDatasetError, match="file:2: expected a number, got 'one'"):
        read_qrels(path)


@pytest.mark.parametrize("odd", ["two words", "", "tab\t", " d"])
def test_ids_that_the_format_cannot_hold_are_refused(odd: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match="without white space"):
        write_run({"q": [odd]}, tmp_path / "run")
    with pytest.raises(InvalidDatasetError, match="without white space"):
        write_qrels({odd: {"d": 1}}, tmp_path / "qrels")
    with pytest.raises(InvalidDatasetError, match="without white space"):
        write_run({"q": ["d"]}, tmp_path / "file", tag=odd)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("q Q0 d 1 1 t\nq Q0 d 2 5 t\n", ":2: expected each document of a question once"),
        ("q\xa0Q0 d 1 1 t\n", "expected 6 columns, got 5"),
    ],
)
def test_a_run_that_trec_eval_refuses_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "run").write_text(content)
    with pytest.raises(InvalidDatasetError, match=reason):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("second", [0, 2])
def test_two_judgements_of_one_document_are_refused(second: int, tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text(f"q 0 d 1\nq 0 d {second}\n")
    with pytest.raises(InvalidDatasetError, match=r":2: expected each document of a question once"):
        read_qrels(tmp_path / "qrels")


def test_spaces_that_part_no_columns_belong_to_an_id(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q Q0 d\xa0\u3000x 1 1 t\n")
    assert read_run(tmp_path / "run") == {"q": ["d\xa0\u3000x"]}


@pytest.mark.parametrize(
    "run", [{1: ["d"]}, {"q": [1]}, {"q": b"d"}, {"q": 5}, {"q": {"d": 10**400}}, {"q": {"d": "1"}}]
)
def test_a_run_of_other_types_is_refused(run: Any, tmp_path: Path) -> None:
    with pytest.raises((InvalidDatasetError, TypeError), match="expected"):
        write_run(run, tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("grade", [10**400, "1", None, float("nan")])
def test_a_grade_that_is_no_number_is_refused(grade: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match="expected a whole grade"):
        write_qrels({"q": {"d": grade}}, tmp_path / "qrels")


def test_a_grade_in_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match=r"whole grade, got 0.5"):
        write_qrels({"q": {"d": 0.5}}, tmp_path / "qrels")


@pytest.mark.parametrize("given", [None, [("q1", ["d1"])], "q1"])
def test_what_is_no_mapping_is_refused_and_nothing_written(given: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for write in (write_run, write_qrels):
        with pytest.raises(TypeError, match=r"expected a mapping by id, got .*; use a dict"):
            write(given, path)
    with pytest.raises(TypeError, match=r"grades of query 'q1': expected a mapping"):
        write_qrels({"q1": given}, path)
    assert not path.exists()


def test_scores_fall_by_place_and_repeats_count_once() -> None:
    assert scored(RUN) == {"q1": {"d3": 3.0, "d1": 2.0, "d2": 1.0}, "q2": {"d2": 1.0}}


def test_ir_measures_says_the_same() -> None:
    measures = pytest.importorskip("ir_measures", reason="ir_measures is not installed")
    documents, judgements = to_ir_measures(RUN, QRELS)
    wanted = [measures.R @ 3, measures.AP @ 10, measures.nDCG @ 2]
    found = measures.pytrec_eval.calc_aggregate(wanted, judgements, documents)
    ours = evaluate_run(RUN, QRELS, metrics=NAMES).means
    assert [found[measure] for measure in wanted] == pytest.approx(list(ours.values()))


@pytest.mark.filterwarnings("ignore:.*unsafe cast")  # from numba inside ranx
def test_ranx_says_the_same() -> None:
    ranx = pytest.importorskip("ranx", reason="ranx, with 15 packages of its own, is not installed")
    run, qrels = to_ranx(RUN, QRELS, name="ours")
    assert run.name == "ours"
    assert from_ranx(run) == {"q1": ["d3", "d1", "d2"], "q2": ["d2"]}
    found = ranx.evaluate(qrels, run, ["recall@3", "map@10", "ndcg@2"], make_comparable=True)
    assert found == pytest.approx(evaluate_run(RUN, QRELS, metrics=NAMES).means)


@pytest.mark.parametrize("grade", ["nan", "inf"])
def test_a_grade_that_is_no_finite_number_is_refused(grade: str, tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    path.write_text(f"q 0 a {grade}\n")
    with pytest.raises(
        InvalidDatasetError, match=f"qrels:1: expected a finite grade, got .{grade}"
    ):
        read_qrels(path)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    path.write_bytes(b"q 0 a 1\nq 0 caf\xe9 1\n")
    with pytest.raises(
        InvalidDatasetError, match=r"qrels:2: expected text in UTF-8, got byte 0xe9"
    ):
        read_qrels(path)


def test_grades_below_0_gain_nothing_as_to_trec_eval() -> None:
    run = {"q1": ["a", "b", "c"], "q2": ["a", "b"]}
    qrels = {"q1": {"a": -1, "b": 2, "c": 1}, "q2": {"b": -2, "a": 1}}
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.2", "recall.3"}).evaluate(scored(run))
    ours = evaluate_run(run, qrels, metrics=NAMES).per_query
    assert [row["recall_3"] for row in found.values()] == ours["recall@3"].tolist()
    assert [row["ndcg_cut_2"] for row in found.values()] == pytest.approx(ours["ndcg@2"].tolist())


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ({}, "at least one query, got none"),
        ({"q": {"a": -1}}, "at least one relevant document"),
        ({"q": {"a": "2"}}, "'q', document 'a': expected a finite number as its grade, got '2'"),
        ({"q": {"a": 1, "b": float("nan")}}, "document 'b': expected a finite number"),
        ({"q": {"a": float("inf")}}, "got inf"),
    ],
)
def test_judgements_that_judge_nothing_are_refused(qrels: Any, message: str) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        evaluate_run({"q": ["a"]}, qrels)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("q Q0 d 1 nan t", "expected a finite score, got 'nan'"),
        ("q Q0 d 1 -inf t", "expected a finite score, got '-inf'"),
        ("q Q0 d 1 1e999 t", "expected a finite score"),
        ("q Q0 d 1 1_0 t", "expected a number"),
        ("q Q0 d 1 ٣ t", "expected a number"),
        ("q Q0 d x 1 t", "expected a whole number from 0 as the rank, got 'x'"),
        ("q Q0 d 1.5 1 t", "expected a whole number from 0 as the rank, got '1.5'"),
        (f"q Q0 d {'9' * 5_000} 1e t", "expected a number"),
        ("q Q0 d 1 t", "expected 6 columns, got 5"),
        (f"q Q0 d 1 {'x' * 1_000_000} t", "expected a number"),
    ],
)
def test_a_malformed_line_of_a_run_is_refused_with_its_place(
    line: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    path.write_text(f"q Q0 good 1 2.5e-3 t\n{line}\n", encoding="utf-8")
    with pytest.raises(InvalidDatasetError, match=f"run:2: {told}") as caught:
        read_run(path)
    assert len(str(caught.value)) < 600


def test_scores_that_are_no_numbers_are_refused_in_memory_too() -> None:
    with pytest.raises(InvalidDatasetError, match="query 'q': expected numbers as scores"):
        ranked({"q": {"d": float("nan"), "e": 1.0}})


@pytest.mark.parametrize("odd", ["a\0b", "\ud800"])
def test_ids_that_no_file_can_hold_are_refused(odd: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match="null characters and lone surrogates"):
        write_run({"q": [odd]}, tmp_path / "run")
    with pytest.raises(InvalidDatasetError, match="null characters and lone surrogates"):
        write_qrels({odd: {"d": 1}}, tmp_path / "qrels")
