"""Test that the table shows the comparison within 80 columns."""

import io
import re

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.comparison import Comparison, compare_systems
from query_adapters.evaluation.pairwise import compare
from query_adapters.evaluation.terminal_report import comparison_table, systems_table


def printed(table: Table) -> str:
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(table)
    return console.export_text()


def rendered(base: Evaluation, adapted: Evaluation) -> str:
    return printed(comparison_table(compare(base, adapted), title="a title"))


def test_each_metric_has_a_row_with_means_difference_and_who_won() -> None:
    base = Evaluation({"ndcg@10": np.array([0.0, 0.5, 1.0, 0.5])})
    adapted = Evaluation({"ndcg@10": np.array([1.0, 0.5, 0.5, 1.0])})
    text = rendered(base, adapted)
    assert "a title" in text
    assert "brackets: 95 % intervals" in text
    row = next(line for line in text.splitlines() if "ndcg@10" in line)
    assert row.split()[1] == "50.0"
    assert "75.0 [" in row
    assert "+25.0 [" in row
    assert row.split()[-1] == "2/1/1"


def test_eighty_columns_hold_names_and_figures_whole() -> None:
    rng = np.random.default_rng(0)
    base = Evaluation({"hit_rate@10": rng.integers(0, 2, 5_000).astype(float)})
    adapted = Evaluation({"hit_rate@10": rng.integers(0, 2, 5_000).astype(float)})
    assert "…" not in rendered(base, adapted)


def three_systems() -> dict[str, Evaluation]:
    values = {"base": [0.0, 0.5, 1.0, 0.5], "adapted": [1.0, 0.5, 0.5, 1.0], "[red]": [0.0] * 4}
    return {
        name: Evaluation({"ndcg@10": np.array(v)}, query_ids=("a", "b", "c", "d"))
        for name, v in values.items()
    }


def test_each_system_has_a_row_under_its_metric() -> None:
    text = printed(systems_table(compare_systems(three_systems(), baseline="base"), title="all"))
    lines = [line.split() for line in text.splitlines()]
    base, adapted, other = (
        line for line in lines if line and line[0] in ("ndcg@10", "adapted", "[red]")
    )
    assert base[:3] == ["ndcg@10", "base", "50.0"]
    assert (adapted[0], adapted[1], adapted[-1]) == ("adapted", "75.0", "2/1/1")
    assert "+25.0" in adapted
    assert (other[0], other[1], other[-1]) == ("[red]", "0.0", "0/1/3")


def test_a_slice_has_its_parts_with_their_sizes() -> None:
    labels = {"length": {"a": "short", "b": "short", "c": "long", "d": "long"}}
    comparison = compare_systems(three_systems(), baseline="base", slices=labels)
    text = printed(systems_table(comparison, kind="length"))
    assert "short (2)" in text
    assert "long (2)" in text
    with pytest.raises(ValueError, match=r"a slice of \['length'\], got 'size'"):
        systems_table(comparison, kind="size")


def test_eighty_columns_hold_several_systems_too() -> None:
    rng = np.random.default_rng(0)
    ids = tuple(map(str, range(2_000)))
    systems = {
        name: Evaluation(
            {"hit_rate@10": rng.integers(0, 2, 2_000).astype(np.float64)}, query_ids=ids
        )
        for name in ("base", "adapted", "with memory")
    }
    assert "…" not in printed(systems_table(compare_systems(systems, baseline="base")))


def one_metric(difference: list[float], name: str = "adapted") -> Comparison:
    base = np.full(len(difference), 0.5)
    values = {"base": base, name: base + np.array(difference)}
    ids = tuple(map(str, range(len(difference))))
    systems = {k: Evaluation({"ndcg@10": v}, query_ids=ids) for k, v in values.items()}
    return compare_systems(systems, baseline="base")


def test_a_probability_below_a_thousandth_is_not_told_as_none() -> None:
    text = printed(systems_table(one_metric([0.1, 0.2] * 40)))
    assert " <0.001 " in text
    assert "0.000" not in text


def test_nothing_is_less_than_nothing() -> None:
    comparison = one_metric([-1e-6] * 3)
    text = printed(systems_table(comparison))
    assert "+0.0 [+0.0,+0.0]" in text
    assert "+0.0 " in comparison._repr_html_()
    assert "−0.0" not in comparison._repr_html_()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/long/way/to/adapter", "adapter"),
        ("sentence-transformers:/models/bge-small", "bge-small"),
        ("sentence-transformers:BAAI/bge-small", "sentence-transformers:BAAI/bge-small"),
        ("w/o memory", "w/o memory"),
        ("/elsewhere/base", "/elsewhere/base"),
    ],
)
def test_an_absolute_path_is_shown_by_its_last_part_unless_it_is_another_systems_name(
    name: str, shown: str
) -> None:
    table = systems_table(one_metric([0.1, 0.2, 0.3], name))
    assert list(table.columns[1].cells) == ["base", shown]


HOSTILE = "a\x1b[31m\x1b]0;title\x07\r\u202e[red]b[/red][/]\\\ud800\n" + "z" * 5_000


def test_names_reach_the_terminal_as_text_without_effects() -> None:
    measured = {
        name: Evaluation({"ndcg@10": np.array([0.0, 1.0, place])}, query_ids=("a", "b", "c"))
        for place, name in enumerate(["base", HOSTILE])
    }
    slices = {HOSTILE: {"a": HOSTILE, "b": HOSTILE, "c": HOSTILE}}
    compared = compare_systems(measured, baseline="base", slices=slices)
    screen = io.StringIO()
    console = Console(file=screen, width=300, force_terminal=True)
    for kind in (None, HOSTILE):
        console.print(systems_table(compared, title=HOSTILE, kind=kind))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())  # without rich's own styles
    assert "[red]b[/red]" in plain
    assert not set("\x1b\x07\r\u202e\ud800") & set(plain)
    assert len(plain) < 10_000
    assert not set("\x1b\x07\r\u202e\ud800") & set(f"{compared} {compared!r}")


def test_names_of_metrics_are_printed_without_effects() -> None:
    measured = Evaluation({HOSTILE: np.array([0.0, 1.0])})
    assert not set("\x1b\x07\r\u202e\ud800") & set(str(measured))
