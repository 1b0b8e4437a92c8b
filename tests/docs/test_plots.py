"""Test that the plots of the site match the stored benchmark results."""

import json
import xml.etree.ElementTree as ET

import pytest

from tests.scripts import load_script

plots = load_script("docs/hooks/plots.py")
QUALITY = json.loads((plots.RESULTS / "quality.json").read_text("utf-8"))


def test_gains_are_drawn_for_every_set_learner_and_fold_assignment_zeros_included() -> None:
    drawn = [(bar.row, bar.series, bar.mean) for bar in plots.gains()]
    stored = [
        (row["set"], plots.LEARNERS[row["learner"]], row["test"]["difference"]["mean"])
        for row in QUALITY["rows"]
        if row["learner"] in plots.LEARNERS
    ]
    assert sorted(drawn) == sorted(stored)
    assert len(drawn) == 6 + 7 * 3 + 2  # two of the nine sets have one seed
    assert ("chorus_products", "adapter, default settings", 0.0) in drawn


def test_an_interval_of_a_held_out_gain_is_twice_its_error() -> None:
    bars = [(bar.row, bar.series, bar.mean, round(bar.low, 3)) for bar in plots.views()]
    unseen = ("scifact", "held out, unseen documents", -0.08, round(-0.08 - 1.96 * 0.28, 3))
    assert unseen in bars
    assert ("chorus_products", "test questions") not in {bar[:2] for bar in bars}  # base kept


def test_base_and_adapted_values_are_those_of_the_readme() -> None:
    bars = {(bar.row, bar.series): round(bar.mean, 1) for bar in plots.before_and_after()}
    assert bars["Python docs, hit_rate@5", "base"] == 48.1
    assert bars["Lyft → Uber, + index, ndcg@10", "adapted"] == 65.8


@pytest.mark.slow
@pytest.mark.parametrize("name", plots.PLOTS)
@pytest.mark.parametrize("scheme", plots.TEXT)
def test_a_plot_is_an_image_in_the_colours_of_its_scheme(name: str, scheme: str) -> None:
    bars, label = plots.PLOTS[name]
    drawn = plots.svg(bars(), label, scheme)
    assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314
    other = next(colour for key, colour in plots.TEXT.items() if key != scheme)
    assert plots.TEXT[scheme] in drawn
    assert other not in drawn
    assert "<image" not in drawn
