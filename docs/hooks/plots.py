"""Draw the plots of the site from the stored benchmark results, for light and dark pages."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "examples" / "benchmarks" / "results"
FOLDER = "assets/plots"
TEXT = {"light": "#212121", "dark": "#e6e6e6"}
# Okabe and Ito's colours without yellow: distinct to colour-blind readers, visible on both pages.
COLOURS = ("#e69f00", "#0072b2", "#009e73", "#cc79a7")
DARK = {"#0072b2": "#56b4e9"}  # too dark for a dark page
LEARNERS = {
    "LlamaIndex": "LlamaIndex's engine",
    "default": "adapter, default settings",
}
VIEWS = {"seen": "held out, seen documents", "unseen": "held out, unseen documents"}
SERIES = (*LEARNERS.values(), *VIEWS.values(), "test questions", "base", "adapted")
METRICS = ("hit_rate@5", "mrr@10", "ndcg@10")


@dataclass(frozen=True)
class Bar:
    """A value with its interval, drawn as a dot with a line.

    Attributes:
        row: Label of the row that it is drawn in.
        series: Label in the legend.
        mean: The value.
        low: Lower end of its interval.
        high: Upper end of its interval.
    """

    row: str
    series: str
    mean: float
    low: float
    high: float


def gains(results: Path = RESULTS) -> list[Bar]:
    """Return the gain of each learner on the test questions of each set, nDCG@10 × 100."""
    rows = _read(results / "quality.json")["rows"]
    ordered = sorted(
        (row for row in rows if row["learner"] in LEARNERS and "test" in row),
        key=lambda row: list(LEARNERS).index(row["learner"]),
    )
    return [
        Bar(row["set"], LEARNERS[row["learner"]], **row["test"]["difference"]) for row in ordered
    ]


def views(results: Path = RESULTS) -> list[Bar]:
    """Return cross-validated gains of the adapters beside their test gains.

    Only the first fold assignment is drawn, and only where an adapter was kept.
    """
    rows = _read(results / "quality.json")["rows"]
    chosen = [row for row in rows if row["learner"] == "default" and row["seed"] == 0]
    return [bar for row in chosen if row["chosen"] for bar in _views_of(row)]


def before_and_after(results: Path = RESULTS) -> list[Bar]:
    """Return base and adapted value of each metric in the demo and the guide's data, × 100."""
    guide = _read(results / "seed_guide.json")
    tables = {
        "Python docs": _read(results / "demo.json")["metrics"],
        "Lyft → Uber": guide["training file alone"],
        "Lyft → Uber, + index": guide["+ served index"],
    }
    return [
        Bar(f"{name}, {metric}", series, **_times_100(table[metric][series]))
        for name, table in tables.items()
        for metric in METRICS
        for series in ("base", "adapted")
    ]


GAIN = "gain over the base, nDCG@10 × 100"
PLOTS: dict[str, tuple[Callable[[], list[Bar]], str]] = {
    "gains": (gains, GAIN),
    "views": (views, GAIN),
    "before_and_after": (before_and_after, "metric × 100"),
}


def svg(bars: list[Bar], label: str, scheme: str) -> str:
    """Return the plot as SVG with a transparent background."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": label,  # the same bytes from every build
        "font.size": 10,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color"), TEXT[scheme]),
        "ytick.color": TEXT[scheme],
        "axes.edgecolor": TEXT[scheme],
    }
    out = io.StringIO()
    with mpl.rc_context(style):
        figure = Figure(figsize=(7.5, 0.7 + 0.16 * len(bars)), layout="constrained")
        _draw(figure.subplots(), bars, label, scheme)
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return out.getvalue()


def on_files(files: Any, config: Any) -> Any:
    """Add the plots to the files of the site."""
    from mkdocs.structure.files import File

    for name, (bars, label) in PLOTS.items():
        for scheme in TEXT:
            path = f"{FOLDER}/{name}-{scheme}.svg"
            files.append(File.generated(config, path, content=svg(bars(), label, scheme)))
    return files


def _draw(axes: Any, bars: list[Bar], label: str, scheme: str) -> None:
    series = sorted({bar.series for bar in bars}, key=SERIES.index)
    rows = list(dict.fromkeys(bar.row for bar in bars))
    for bar, height in _heights(bars, rows):
        colour = COLOURS[series.index(bar.series)]
        colour = DARK.get(colour, colour) if scheme == "dark" else colour
        axes.plot([bar.low, bar.high], [height, height], color=colour, linewidth=1.5)
        axes.plot([bar.mean], [height], "o", color=colour, markersize=4, label=bar.series)
    if min(bar.low for bar in bars) <= 0:
        axes.axvline(0, color=TEXT[scheme], linewidth=0.8)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.grid(axis="y", which="minor", color=TEXT[scheme], alpha=0.25, linewidth=0.5)
    axes.set_yticks([row + 0.5 for row in range(len(rows) - 1)], minor=True)
    axes.tick_params(axis="y", which="both", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    dots = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    handles = [dots[name] for name in series]
    axes.figure.legend(
        handles, series, loc="outside upper center", ncols=len(series), frameon=False
    )


def _heights(bars: list[Bar], rows: list[str]) -> Iterator[tuple[Bar, float]]:
    """Yield each bar with its height: bars of one row lie below each other around its number."""
    for number, row in enumerate(rows):
        of_row = [bar for bar in bars if bar.row == row]
        for position, bar in enumerate(of_row):
            yield bar, number + 0.8 * ((position + 0.5) / len(of_row) - 0.5)


def _views_of(row: dict[str, Any]) -> Iterator[Bar]:
    for view, series in VIEWS.items():
        if row[view]:
            mean, half = row[view]["mean"], 1.96 * row[view]["error"]
            yield Bar(row["set"], series, mean, mean - half, mean + half)
    yield Bar(row["set"], "test questions", **row["test"]["difference"])


def _times_100(values: dict[str, float]) -> dict[str, float]:
    return {name: 100 * value for name, value in values.items()}


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
