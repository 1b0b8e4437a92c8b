"""Tests of the HTML report: its content, escaping, and rendering in a browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import AdapterFileError
from query_adapters.evaluation import Evaluation, evaluate_run
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.comparison import Comparison, compare_systems
from query_adapters.evaluation.html_report import (
    ExplainedDocument,
    ExplainedQuestion,
    PartWeight,
    RetrieverExplanation,
    page_html,
    write_html,
)
from query_adapters.evaluation.html_report.plots import Whisker, gain_plot, rank_plot, whisker_plot
from query_adapters.training import TrainingResult, Verdict
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore
from query_adapters.training.memory import MemorySettings
from tests.servers.chromium import Tab, find_chromium, running_chromium

ATTACK = """<script>alert("x")</script><img src=x onerror=alert(1)> ' " & $title ]]>"""
N = 60


def dataset() -> RetrievalDataset:
    """Return a dataset in which question q7, a document and its id contain an HTML injection."""
    queries = {f"q{i}": f"how is number {i} done?" for i in range(N)} | {"q7": ATTACK}
    corpus = {f"d{i}": f"text of document {i} " + "word " * 200 for i in range(N)}
    corpus[ATTACK] = ATTACK
    relevant = {q: [f"d{i}"] for i, q in enumerate(queries)} | {"q7": ["d7", ATTACK]}
    return RetrievalDataset.from_relevant_docs(queries, corpus, relevant)


def evaluation(shift: int) -> Evaluation:
    """Return scores of rankings in which the relevant rank depends on question and shift."""
    data, run = dataset(), {}
    for i, query in enumerate(data.queries):
        others = [f"d{j}" for j in range(N) if j != i][:20]
        others.insert((i * shift) % 13, f"d{i}")
        run[query] = others[:10]
    return evaluate_run(run, data.qrels, metrics=["hit_rate@5", "ndcg@10"])


def comparison(*systems: str, **options: Any) -> Comparison:
    names = {"base": 1, **{name: place + 2 for place, name in enumerate(systems or ["adapted"])}}
    slices = {"style": {f"q{i}": "short" if i % 3 else ATTACK for i in range(N)}}
    evaluations = {name: evaluation(shift) for name, shift in names.items()}
    options = {"slices": slices, "dataset": dataset(), **options}
    return compare_systems(evaluations, baseline="base", **options)


def trained(*, kept: bool) -> TrainingResult:
    rows = tuple(
        CandidateScore(
            candidate=Candidate(0.15, strength, MemorySettings(ease=100.0, sharpness=5.0)),
            seen=ViewScore(mean=0.04, error=0.01),
            unseen=ViewScore(mean=-0.02, error=0.01) if strength == 1.0 else None,
            overall=ViewScore(mean=0.03, error=0.01),
        )
        for strength in (1.0, float("inf"))
    )
    return TrainingResult(
        adapter=LinearAdapter.identity(2),
        chosen=rows[0] if kept else None,
        table=rows,
        verdict=Verdict(
            decision="adapter" if kept else "base",
            headline=f"Use the adapter {ATTACK}",
            metric="ndcg@10",
            expected_gain=Interval(mean=0.03, low=0.01, high=0.05),
            p_value=0.01,
            details=(("Confidence", ATTACK),),
            advice="deploy it",
        ),
        seen_share=0.5,
        n_queries=3,
        n_compared=3,
        n_documents=5,
        elapsed_seconds=1.0,
    )


def document(key: str, *, rank: int, rank_before: int, **parts: float) -> ExplainedDocument:
    """Return an explained document, relevant if it has the first rank."""
    return ExplainedDocument(
        id=key,
        text=f"{key} is long " * 20,
        is_relevant=rank == 1,
        rank_before=rank_before,
        rank=rank,
        score=sum(parts.values()),
        parts=parts,
    )


def explained(*, changed: bool = True) -> RetrieverExplanation:
    """Return a learned retriever with a question whose first document is or is not another."""
    documents = (
        document(ATTACK, rank=1, rank_before=7 if changed else 1, similarity=0.5, votes=0.25),
        document("d2", rank=2, rank_before=1 if changed else 2, similarity=0.625, votes=0.0),
    )
    return RetrieverExplanation(
        weights=(
            PartWeight(part="similarity", weight=1.0, meaning="The unit."),
            PartWeight(part=f"votes {ATTACK}", weight=0.0421, meaning=ATTACK),
        ),
        example=ExplainedQuestion(question=f"why? {ATTACK}", documents=documents),
        verdict=f"Use the learned retriever.\n{ATTACK}",
    )


class Elements(HTMLParser):
    """A parser that collects tags with attributes, and the text outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def test_every_figure_of_the_comparison_is_on_the_page() -> None:
    shown = comparison()
    text = Elements(page_html(shown, title="a title")).text
    assert "a title" in text
    for metric in shown.metrics:
        score = shown.scores[metric]["adapted"]
        assert score.against is not None
        for mean in (f"{100 * score.mean.mean:.1f}", f"{100 * score.against.difference.mean:+.1f}"):
            assert mean.replace("-", "−") in text
        against = score.against
        assert f"{against.wins} / {against.ties} / {against.losses}" in text
    assert "style" in text
    assert "rank 2 → 3" in text  # question 1


@pytest.mark.parametrize("kept", [True, False])
def test_what_users_wrote_is_text_and_never_markup(kept: bool) -> None:
    page = page_html(
        comparison("adapted", ATTACK),
        training=trained(kept=kept),
        retriever=explained(changed=kept),
        title=ATTACK,
    )
    elements = Elements(page)
    assert (elements.count("script"), elements.count("img")) == (1, 0)
    assert not [a for _, attributes in elements.tags for a in attributes if a.startswith("on")]
    assert elements.text.count(ATTACK) >= 13
    assert unescape(page).count(ATTACK) >= elements.text.count(ATTACK)


def test_the_page_points_nowhere() -> None:
    elements = Elements(page_html(comparison()))
    pointers = [
        attributes[name]
        for _, attributes in elements.tags
        for name in ("src", "href", "action", "srcset", "style")
        if name in attributes
    ]
    assert pointers == ["data:,"]
    assert "url(" not in page_html(comparison())
    assert "@import" not in page_html(comparison())


def test_both_views_of_training_are_shown_with_the_candidate_that_was_chosen() -> None:
    kept = Elements(page_html(comparison(), training=trained(kept=True))).text
    assert "strength 1, memory (ease 100, sharpness 5) (chosen)" in kept
    assert "+4.0 ± 1.0" in kept
    assert "−2.0 ± 1.0" in kept
    assert "not measured" in kept
    refused = Elements(page_html(comparison(), training=trained(kept=False).to_record())).text
    assert "which was not kept" in refused
    assert "(chosen)" not in refused
    unmeasured: dict[str, Any] = {"verdict": "too few questions", "table": [], "chosen": None}
    assert "too few questions" in Elements(page_html(comparison(), training=unmeasured)).text


def test_the_learned_retriever_is_shown_with_its_weights_and_a_question_part_by_part() -> None:
    page = page_html(comparison(), retriever=explained())
    text = Elements(page).text
    assert "Use the learned retriever." in text
    assert "0.0421" in text
    cells = re.findall(r"<td>([^<]*)</td>", page[page.index('<table class="parts">') :])
    assert cells[:10] == ["7", "1", "0.750", "0.500", "0.250", "1", "2", "0.625", "0.625", "0.000"]
    lead = "leads d2, the base model’s first, by: similarity −0.125, votes +0.250."
    assert f"{ATTACK} {lead}" in text
    assert "leads" not in Elements(page_html(comparison(), retriever=explained(changed=False))).text


def test_weights_alone_make_a_section_too() -> None:
    weights = replace(explained(), example=None, verdict="")
    page = page_html(comparison(), retriever=weights)
    assert "One question, part by part" not in page
    assert "0.0421" in page
    assert "Learned retriever" not in page_html(comparison())


def test_the_page_tells_what_was_measured_when_and_by_which_version() -> None:
    about = {"embedding_model": "org/model", "similarity": "dot", "dataset": ATTACK}
    page = page_html(comparison(about=about, seed=7))
    told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert told["embedding model"] == "org/model"
    assert unescape(told["dataset"]) == ATTACK
    assert (told["similarity"], told["seed"]) == ("dot", "7")
    assert (told["questions"], told["documents"]) == (str(N), str(N + 1))
    assert told["version"].startswith("llama-index-finetune-plugin ")
    day = datetime.fromisoformat(told["date"]).replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - day) < timedelta(days=2)
    assert "About this run" not in page_html(replace(comparison(), about={}))


def test_no_heading_skips_a_level() -> None:
    page = page_html(
        comparison("adapted", "other"), training=trained(kept=True), retriever=explained()
    )
    levels = [int(tag[1]) for tag, _ in Elements(page).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert 3 in levels
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_no_more_changes_are_listed_than_asked_for() -> None:
    shown = comparison()
    page = page_html(shown, max_changes=3)
    assert (page.count('data-kind="better"'), page.count('data-kind="worse"')) == (3, 3)
    assert "data-kind" not in page_html(shown, max_changes=0)
    with pytest.raises(ValueError, match="max_changes: expected at least 0, got -1"):
        page_html(shown, max_changes=-1)


def test_figures_alone_make_a_page_without_texts_ranks_or_slices() -> None:
    base, adapted = (Evaluation({"mrr@3": np.array(v)}) for v in ([0.0, 1.0], [0.5, 1.0]))
    page = page_html(compare_systems({"base": base, "adapted": adapted}, baseline="base"))
    assert "Slices" not in page
    assert "rank after" not in page
    assert page.count("<li data-kind") == 1


def test_a_system_that_changes_nothing_makes_a_page_too() -> None:
    same = evaluation(1)
    page = page_html(compare_systems({"base": same, "same": same}, baseline="base"))
    assert "60 equal" in page
    assert "Wins and losses" not in page


def test_the_file_is_what_the_function_returns(tmp_path: Path) -> None:
    written = write_html(comparison(), tmp_path / "page.html", title="é")
    assert written.read_text(encoding="utf-8") == page_html(comparison(), title="é")


def test_ranks_are_counted_in_their_cells_and_coloured_by_direction() -> None:
    plot = rank_plot(np.array([1, 7, 0, 12, 3]), np.array([1, 1, 4, 0, 3]), label="ranks")
    kinds = re.findall(r'class="cell (\w+)"', plot)
    assert sorted(kinds) == ["better", "better", "unsure", "unsure", "worse"]


def test_thousands_of_gains_are_one_short_path_that_keeps_its_extremes() -> None:
    differences = np.concatenate([np.linspace(-0.5, 0, 4_000), np.linspace(0, 1, 6_000)])
    plot = gain_plot(differences, label="gains")
    assert len(plot) < 20_000
    assert "3999 worse" in plot
    assert "V10.0" in plot  # the largest gain is at the top
    assert "V130.0" in plot  # the largest loss is halfway down


def test_intervals_lie_to_scale_around_zero() -> None:
    rows = [
        Whisker(label="m", interval=Interval(mean=0.1, low=0.0, high=0.2), kind="better"),
        Whisker(label="n", interval=Interval(mean=-0.2, low=-0.2, high=-0.2), kind="worse"),
    ]
    plot = whisker_plot(["heading", *rows], label="intervals")
    better, worse = (float(x) for x in re.findall(r'<circle class="\w+" cx="([\d.]+)"', plot))
    zero = float(re.search(r'class="zero" x1="([\d.]+)"', plot)[1])  # type: ignore[index]
    assert (worse - zero) == pytest.approx(-2 * (better - zero), abs=0.2)
    assert "heading" in plot


def test_the_figure_at_the_end_of_the_scale_is_inside_the_plot() -> None:
    far = Whisker(label="m", interval=Interval(mean=0.1, low=0.0, high=0.2), kind="better")
    plot = whisker_plot([far], label="intervals")
    x = float(re.search(r'x="([\d.]+)"[^>]*>\+20.0<', plot)[1])  # type: ignore[index]
    assert x <= 360 - 18  # half of "+20.0" at 11 px


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium on this machine to open the page in")
    with running_chromium(program, tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "page.html"
    shown = comparison("adapted", ATTACK)
    details: dict[str, Any] = {"training": trained(kept=True), "retriever": explained()}
    return write_html(shown, path, **details, title=ATTACK).as_uri()


class TestInABrowser:
    """Tests of the page in a browser: from a file, with scripts, in light and dark mode."""

    def test_nothing_is_requested_and_nothing_complained_about(self, tab: Tab, page: str) -> None:
        tab.events.clear()
        tab.open(page)
        assert tab.run("document.title") == ATTACK.strip()
        assert tab.complaints == []
        assert {url for url in tab.requested if not url.startswith("data:")} == {page}

    def test_every_plot_is_drawn(self, tab: Tab, page: str) -> None:
        tab.open(page)
        for kind, count in {"intervals": 1, "gains": 2, "ranks": 2, "views": 1}.items():
            sizes = tab.run(
                f"[...document.querySelectorAll('figure.{kind} svg')]"
                ".map((s) => s.getBoundingClientRect().height * s.children.length)"
            )
            assert len(sizes) == count
            assert min(sizes) > 300, kind

    def test_search_and_choice_work_from_the_keyboard(self, tab: Tab, page: str) -> None:
        tab.open(page)
        shown = "[...document.querySelectorAll('.changes > li')].filter((li) => !li.hidden)"
        everything = tab.run(f"{shown}.map((li) => li.textContent)")
        tab.run("document.getElementById('search').focus()")
        tab.type("NUMBER  11")
        texts = tab.run(f"{shown}.map((li) => li.textContent)")
        assert texts == [text for text in everything if "number" in text and "11" in text]
        assert 0 < len(texts) < len(everything)
        assert tab.run("count.textContent") == f"{len(texts)} of {len(everything)} shown"
        tab.press("Tab")
        assert tab.run("document.activeElement.id") == "kind"
        tab.press("Tab")
        assert tab.run("document.activeElement.tagName") == "SUMMARY"
        tab.press("Enter")
        assert tab.run("document.activeElement.parentElement.open") is True

    def test_wins_alone_are_shown_if_chosen(self, tab: Tab, page: str) -> None:
        tab.open(page)
        tab.run("kind.value = 'better'; kind.dispatchEvent(new Event('input'))")
        kinds = "[...document.querySelectorAll('.changes > li:not([hidden])')]"
        assert set(tab.run(f"{kinds}.map((li) => li.dataset.kind)")) == {"better"}

    def test_light_and_dark_are_readable_and_differ(self, tab: Tab, page: str) -> None:
        grounds = {}
        for scheme in ("light", "dark"):
            tab.open(page, scheme=scheme)
            ground = tab.run("getComputedStyle(document.body).backgroundColor")
            grounds[scheme] = sum(map(int, re.findall(r"\d+", ground)))
            assert len(tab.screenshot()) > 20_000  # a blank page of this size has 6,000 bytes
        assert grounds["light"] > 3 * 200
        assert grounds["dark"] < 3 * 60

    def test_on_paper_no_table_is_cut(self, tab: Tab, page: str) -> None:
        tab.open(page, width=717)  # A4 less the margins
        tab.call("Emulation.setEmulatedMedia", media="print")
        cut = "[...document.querySelectorAll('.wide')].filter((e) => e.scrollWidth > e.clientWidth)"
        assert tab.run(f"{cut}.map((e) => e.firstChild.className)") == []
        tab.call("Emulation.setEmulatedMedia", media="")

    def test_a_phone_never_scrolls_sideways(self, tab: Tab, page: str) -> None:
        tab.open(page, width=360)
        tab.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert tab.run("document.documentElement.scrollWidth") == 360


def test_a_page_of_huge_texts_stays_small_and_says_so() -> None:
    n, long = 24, "é<\x1b" * 30_000
    huge = RetrievalDataset.from_relevant_docs(
        {f"q{i}": f"{i} {long}" for i in range(n)},
        {f"d{i}": f"{i} {long}" for i in range(n)},
        {f"q{i}": [f"d{i}"] for i in range(n)},
    )
    rng = np.random.default_rng(0)
    runs = {
        name: {f"q{i}": [f"d{j}" for j in rng.permutation(n)[:10]] for i in range(n)}
        for name in ("base", long)
    }
    measured = {
        name: evaluate_run(run, huge.qrels, metrics=["ndcg@10"]) for name, run in runs.items()
    }
    slices = {long: {f"q{i}": f"{i}{long}" for i in range(n)}}
    compared = compare_systems(
        measured, baseline="base", dataset=huge, slices=slices, about={long: long}
    )
    page = page_html(compared, title=long, training={"verdict": long * 2})
    assert len(page.encode()) < 1_000_000
    assert "Long texts are cut off (…)" in page
    assert "\x1b" not in page


def test_changes_beyond_the_size_of_a_page_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = comparison()
    every = page_html(shown).count("data-kind")
    monkeypatch.setattr("query_adapters.evaluation.html_report.changes.MAX_SIZE", 5_000)
    page = page_html(shown)
    listed = page.count("data-kind")
    assert 0 < listed < every
    assert f"{every - listed} more would make the page too large" in page


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"verdict": ["kept"]}, "training record, verdict: expected a text"),
        ({"table": {"a": 1}}, "table: expected a list"),
        ({"table": [None]}, r"table\[0\]: expected an object"),
        ({"table": [{"candidate": {}}]}, r"table\[0\].overall: expected a mean"),
        ({"table": [{"candidate": {}, "overall": {"mean": "1"}}]}, r"overall.mean: expected a"),
        ({"chosen": {"candidate": 3, "overall": {}}}, "chosen.candidate: expected a list"),
        ({"table": [{"candidate": {}, "overall": {"mean": 10**400, "error": 0}}]}, "finite"),
        ([], "training record, training: expected an object"),
        ("x" * 5_000_000, "expected an object"),
    ],
)
def test_a_record_that_is_not_understood_is_refused(record: Any, told: str) -> None:
    with pytest.raises(AdapterFileError, match=told) as caught:
        page_html(comparison(), training=record)
    assert len(str(caught.value)) < 600


def test_settings_of_any_kind_are_shown_as_text() -> None:
    overall = {"mean": 0.1, "error": 0.0}
    settings = {"a": 1, "b": None, "c": ATTACK, "d": {"e": [1], "f": 10**400}, "g": True}
    table = [{"candidate": one, "overall": overall} for one in (settings, ["words", ATTACK])]
    page = page_html(comparison(), training={"table": table})
    assert f"a 1, c {ATTACK}, d (e list, f int), g 1" in Elements(page).text
    assert f"words, {ATTACK}" in Elements(page).text
