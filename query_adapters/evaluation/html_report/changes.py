"""The section with the largest gains and losses by question; texts are shortened."""

from itertools import islice

from query_adapters.evaluation.comparison import Comparison
from query_adapters.evaluation.html_tables import section
from query_adapters.evaluation.query_changes import Change
from query_adapters.text.markup import html_text

SHOWN_FOUND = 3  # retrieved documents listed per change and system
SHOWN_RELEVANT = 5  # relevant documents listed per change
SHOWN_TEXT = 500  # characters of a question and of a relevant document
SHOWN_SNIPPET = 90  # characters of a retrieved one
MAX_SIZE = 2_000_000  # characters of the section, so that a browser opens the page at once


def changes_section(comparison: Comparison, limit: int) -> str:
    """Return the section with the largest gains and losses of every system."""
    items, n_left_out = _items(comparison, limit)
    if not items:
        return ""
    left_out = f" {n_left_out} more would make the page too large." if n_left_out else ""
    caption = (
        f'<p class="quiet">By {html_text(comparison.metrics[-1])}, at most {limit} of each, × 100; '
        "rank of the first relevant document before → after. Long texts are cut off (…)."
        f"{left_out}</p>"
    )
    controls = (
        '<div class="filter"><label>Search questions and documents'
        '<input id="search" type="search" autocomplete="off"></label>'
        '<label class="small">Show<select id="kind"><option value="">wins and losses</option>'
        '<option value="better">wins</option><option value="worse">losses</option></select>'
        '</label></div><p class="quiet" id="count" aria-live="polite"></p>'
    )
    return section(
        "Wins and losses", f'{caption}{controls}<ul class="changes">{"".join(items)}</ul>'
    )


def _items(comparison: Comparison, limit: int) -> tuple[list[str], int]:
    """Return the items of all changes up to `MAX_SIZE`, and the number of further changes."""
    items, size, n_left_out = [], 0, 0
    for system in comparison.others:
        gains, losses = comparison.gains(system, n=limit), comparison.regressions(system, n=limit)
        for change in (*gains, *losses):
            item = _change(change, system, comparison) if size < MAX_SIZE else ""
            size += len(item)
            items += [item] if item else []
            n_left_out += not item
    return items, n_left_out


def _change(change: Change, system: str, comparison: Comparison) -> str:
    kind = "better" if change.gain > 0 else "worse"
    gain = f"{100 * change.gain:+z.0f}".replace("-", "−")
    of = f" · {html_text(system)}" if len(comparison.others) > 1 else ""
    ranks = f"rank {change.rank_before or 'none'} → {change.rank_after or 'none'}"
    known = len(comparison.evaluations[system].first_relevant) > 0
    return (
        f'<li data-kind="{kind}"><details><summary><span class="gain {kind}">{gain}</span>'
        f"<span>{html_text(change.query or change.query_id, SHOWN_TEXT)}</span>"
        f'<span class="move">{ranks if known else ""}{of}</span></summary>'
        f'<div class="inside">{_answers(change)}'
        f"{_found(comparison.baseline, change.found_before, change, comparison)}"
        f"{_found(system, change.found_after, change, comparison)}</div></details></li>"
    )


def _answers(change: Change) -> str:
    shown = "".join(
        f'<div class="answer"><h3>relevant: {html_text(key)}</h3>'
        f"{html_text(text, SHOWN_TEXT)}</div>"
        for key, text in islice(change.relevant.items(), SHOWN_RELEVANT)
    )
    more = len(change.relevant) - SHOWN_RELEVANT
    return f'{shown}<p class="quiet">{more} more relevant ones</p>' if more > 0 else shown


def _found(system: str, ids: tuple[str, ...], change: Change, comparison: Comparison) -> str:
    corpus = {} if comparison.dataset is None else comparison.dataset.corpus
    items = []
    for key in ids[:SHOWN_FOUND]:
        mark = ' class="better"' if key in change.relevant else ""
        snippet = html_text(corpus.get(key, ""), SHOWN_SNIPPET)
        tick = " ✓" if mark else ""
        items.append(
            f'<li{mark}><span class="id">{html_text(key)}{tick}</span> '
            f'<span class="quiet">{snippet}</span></li>'
        )
    if not items:
        return ""
    return f"<div><h3>{html_text(system)} found</h3><ol>{''.join(items)}</ol></div>"
