"""The page that shows what happened: days, decisions and versions of each tenant."""

from collections.abc import Sequence
from pathlib import Path

from examples.service.nightly import SHOWN, Night
from query_adapters.deployment import AdapterRegistry, Move
from query_adapters.evaluation.html_tables import figure, section, table
from query_adapters.text.markup import html_text

STYLE = Path(__file__).with_name("page.css")
WIDTH, HEIGHT, MARGIN = 640, 150, 36
KINDS = {"promoted": "better", "rolled back": "worse"}
LONG = 1_000  # characters of a sentence


def page(registry: AdapterRegistry, nights: Sequence[Night]) -> str:
    """Return the page as HTML that needs nothing else.

    Args:
        registry: The versions of all tenants.
        nights: What was decided, oldest first.
    """
    tenants = list(dict.fromkeys(night.tenant for night in nights))
    parts = [
        section(tenant, _tenant([one for one in nights if one.tenant == tenant], registry))
        for tenant in tenants
    ]
    lead = f"{len({night.day for night in nights})} days, {len(tenants)} tenants, one index."
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>What happened</title><style>{STYLE.read_text(encoding='utf-8')}</style></head>"
        f"<body><h1>What happened</h1><p>{lead}</p>{''.join(parts)}</body></html>\n"
    )


def _tenant(nights: Sequence[Night], registry: AdapterRegistry) -> str:
    name = nights[0].tenant
    serving = registry.resolve(name, "production")[:SHOWN]
    sentences = "".join(_day(night) for night in nights)
    moves = [_move(move) for move in registry.history(name)]
    return (
        f"<p>Version <b>{html_text(serving)}</b> serves. {html_text(_summary(nights))}</p>"
        f"{figure('days', _plot(nights), html_text(f'{_measure(nights)} by day'))}"
        f'<div class="wide">{_days(nights)}</div>'
        f"<h3>What was said each night</h3><ol>{sentences}</ol>"
        f"<details><summary>Who moved which alias</summary><div class='wide'>"
        f"{table(('alias', 'what', 'version', 'by', 'why'), moves)}</div></details>"
    )


def _summary(nights: Sequence[Night]) -> str:
    counts = [sum(night.decision == what for night in nights) for what in KINDS]
    first, last = (_value(night) for night in (nights[0], nights[-1]))
    return (
        f"{counts[0]} promoted, {counts[1]} rolled back; {_measure(nights)} went from {first:.2f} "
        f"to {last:.2f}."
    )


def _days(nights: Sequence[Night]) -> str:
    """Return one row a day."""
    metrics = list(nights[0].measured)
    head = ("day", "questions", "clicks", *metrics, "serves", "canary", "decision")
    return table(head, [_row(night, metrics) for night in nights])


def _row(night: Night, metrics: Sequence[str]) -> list[str]:
    decision = f'<span class="{KINDS.get(night.decision, "")}">{html_text(night.decision)}</span>'
    values = [f"{night.measured.get(metric, float('nan')):.2f}" for metric in metrics]
    counts = [f"{night.n_questions:,}", f"{night.n_clicks:,}"]
    versions = [html_text(night.serving), html_text(night.canary or "–")]
    return [html_text(night.day), *counts, *values, *versions, decision]


def _day(night: Night) -> str:
    said = [("Test", night.test), ("Training", night.training), ("Questions", night.drift)]
    lines = (f"<dt>{what}</dt><dd>{html_text(text, LONG)}</dd>" for what, text in said)
    return f"<li><h4>{html_text(night.day)}</h4><dl>{''.join(lines)}</dl></li>"


def _move(move: Move) -> list[str]:
    version = "–" if move.version is None else move.version[:SHOWN]
    texts = (move.alias, move.action, version, move.by, move.reason)
    return [html_text(text, LONG) for text in texts]


def _measure(nights: Sequence[Night]) -> str:
    return [*nights[0].measured, "clicks a question"][0]


def _value(night: Night) -> float:
    clicks = night.n_clicks / max(night.n_questions, 1)
    return [*night.measured.values(), clicks][0]


def _plot(nights: Sequence[Night]) -> str:
    """Return a line of the measure by day, with the decisions of the nights, as SVG."""
    values = [_value(night) for night in nights]
    low, high = min(values), max(values)
    step = (WIDTH - 2 * MARGIN) / max(len(nights) - 1, 1)
    across = [MARGIN + step * number for number in range(len(nights))]
    scale = (HEIGHT - 2 * MARGIN) / ((high - low) or 1.0)
    down = [HEIGHT - MARGIN - scale * (value - low) for value in values]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    points = "".join(map(_point, nights, values, across, down))
    label = html_text(f"{_measure(nights)} of {nights[0].tenant} by day")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f'<polyline points="{line}"/>{points}</svg>'
    )


def _point(night: Night, value: float, x: float, y: float) -> str:
    kind = KINDS.get(night.decision, "")
    said = night.decision if kind else ""
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        f'<text x="{x:.1f}" y="{y - 10:.1f}">{value:.2f}</text>'
        f'<text class="{kind}" x="{x:.1f}" y="{y + 18:.1f}">{said}</text>'
        f'<text class="quiet" x="{x:.1f}" y="{HEIGHT - 2}">{html_text(night.day[5:])}</text>'
    )
