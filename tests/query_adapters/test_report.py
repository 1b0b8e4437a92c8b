"""The table says what the comparison says, in 80 columns."""

import io

import numpy as np
from rich.console import Console

from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.comparison import compare
from query_adapters.evaluation.report import comparison_table


def rendered(base: Evaluation, adapted: Evaluation) -> str:
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(comparison_table(compare(base, adapted), title="a title"))
    return console.export_text()


def test_each_metric_has_a_row_with_means_difference_and_who_won() -> None:
    base = Evaluation({"ndcg@10": np.array([0.0, 0.5, 1.0, 0.5])})
    adapted = Evaluation({"ndcg@10": np.array([1.0, 0.5, 0.5, 1.0])})
    text = rendered(base, adapted)
    assert "a title" in text
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
