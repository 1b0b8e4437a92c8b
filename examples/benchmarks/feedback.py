"""Train adapters on simulated clicks, with and without correction, and on the true labels.

FOLDER holds data sets in BEIR's layout, as for quality.py. The base model ranks the training
questions, and each first page of 10 is shown in 10 sessions. A user looks at rank r with
probability 1 / r^η. Of the documents looked at, relevant ones are clicked with probability 0.9 and
others with 0.1. From these clicks datasets are made:

    raw                   every clicked document is relevant, its number of clicks is the grade
    corrected, given η    `dataset_from_feedback` with the true position propensities
    corrected             `dataset_from_feedback`, which estimates them
    corrected, 4 + 3 + 3  the same ten sessions in three rounds: 4 with the base, 3 with an adapter
                          trained on their clicks (if the guard keeps it), and 3 with one trained on
                          the clicks of both
    corrected, rest by    corrected, and the true labels of questions without one (`unanswered`)
    hand
    true                  all relevant documents, clicked or not
    true, shown           those of them on the first page of the base: what a click can reach

On each an adapter is trained with default settings, guard included, and measured on the test
questions with true labels. All rows are nDCG@10 x 100: the paired difference from the base with
its 95 % interval, and its share of the gain from the true labels, and from those that a click can
reach. "right" is the share of the grades on relevant documents.

    python examples/benchmarks/feedback.py FOLDER --model wordllama

An interrupted run continues where it ended.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from quality import CACHE, METRIC, console, tested, write_results
from quality_cases import Case, read_cases
from quality_models import MODELS
from rich.table import Table

from query_adapters import EmbeddedDataset, RetrievalDataset
from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import judged_rows
from query_adapters.data.rows import from_clicks
from query_adapters.data.splits import query_groups
from query_adapters.data.weights import query_weights
from query_adapters.evaluation.search import exact_search
from query_adapters.feedback import (
    FeedbackEvent,
    Propensities,
    ShownList,
    dataset_from_feedback,
)
from query_adapters.feedback.questions import QuestionPrivacy
from query_adapters.finetuning.checks import expected_seen_share
from query_adapters.training import AdapterTrainer

RESULTS = Path(__file__).parent / "results" / "feedback.json"
SETS = ("stackfaq", "hint3", "scifact")
ETAS = (0.5, 1.0)
SHOWN, SESSIONS = 10, 10
RELEVANT, NOISE = 0.9, 0.1  # click rates of documents that a user looks at
ROUNDS = (4, 3, 3)  # sessions of each round; after one, an adapter is trained on all clicks
KEY = QuestionPrivacy().key
Row = dict[str, Any]


def users(
    case: Case, adapter: QueryAdapter | None, eta: float, n_sessions: int, seed: int
) -> list[ShownList]:
    """Return what simulated users were shown for each training question, and what they clicked."""
    train, texts = case.train, case.train_texts
    queries = train.queries if adapter is None else adapter(train.queries)
    pages = exact_search(queries, train.documents, k=SHOWN)
    rng, ids = np.random.default_rng(seed), list(texts.corpus)
    relevant = np.stack(
        [np.isin(page, rows) for page, rows in zip(pages, train.relevant, strict=True)]
    )
    size = (len(pages), n_sessions, SHOWN)
    looked_at = rng.random(size) < np.arange(1, SHOWN + 1) ** -eta
    clicked = looked_at & (rng.random(size) < np.where(relevant, RELEVANT, NOISE)[:, None])
    system = "base" if adapter is None else "adapter"
    return [
        ShownList(
            id=f"{system}-{seed}-{row}-{session}",
            key=KEY(question),
            question=question,
            ids=tuple(ids[place] for place in pages[row]),
            system=system,
            events=tuple(
                FeedbackEvent(kind="clicked", document=ids[pages[row, rank]])
                for rank in np.flatnonzero(clicked[row, session])
            ),
        )
        for row, question in enumerate(texts.queries.values())
        for session in range(n_sessions)
    ]


def raw(lists: Sequence[ShownList], case: Case) -> RetrievalDataset:
    clicks = [(one.question, event.document, 1) for one in lists for event in one.events]
    return from_clicks(clicks, case.train_texts.corpus)


def corrected(
    lists: Sequence[ShownList], case: Case, *, eta: float | None = None
) -> RetrievalDataset:
    given = None if eta is None else Propensities.power_law(eta, depth=SHOWN)
    found = dataset_from_feedback(lists, case.train_texts.corpus, propensities=given)
    console.print(str(found), style="dim")
    return found.dataset


def completed(lists: Sequence[ShownList], case: Case) -> RetrievalDataset:
    """Return the corrected labels, with the true ones of questions that recur without a label."""
    texts, found = case.train_texts, dataset_from_feedback(lists, case.train_texts.corpus)
    keys = {text: query for query, text in texts.queries.items()}
    by_hand = {keys[text]: text for text in found.unanswered}
    return RetrievalDataset(
        {**found.dataset.queries, **by_hand},
        texts.corpus,
        {**found.dataset.qrels, **{query: texts.qrels[query] for query in by_hand}},
    )


def shown_labels(case: Case) -> RetrievalDataset:
    """Return the training questions with those relevant documents that the base shows."""
    pages = exact_search(case.train.queries, case.train.documents, k=SHOWN)
    texts, ids = case.train_texts, list(case.train_texts.corpus)
    qrels = {
        query: {d: g for d, g in texts.qrels[query].items() if d in {ids[place] for place in page}}
        for query, page in zip(texts.queries, pages, strict=True)
    }
    kept = {q: grades for q, grades in qrels.items() if grades}
    return RetrievalDataset({q: texts.queries[q] for q in kept}, texts.corpus, kept)


def embedded(dataset: RetrievalDataset, case: Case) -> EmbeddedDataset:
    """Return the dataset with the vectors of the case's training questions."""
    row_of_text = {KEY(text): row for row, text in enumerate(case.train_texts.queries.values())}
    row_of = {key: row for row, key in enumerate(dataset.corpus)}
    rows = [row_of_text[KEY(text)] for text in dataset.queries.values()]
    relevant, grades = judged_rows(dataset, row_of)
    return replace(
        case.train,
        queries=case.train.queries[rows],
        relevant=relevant,
        grades=grades,
        query_groups=query_groups(dataset),
        weights=query_weights(dataset),
    )


def fitted(dataset: RetrievalDataset, case: Case, seed: int) -> Any:
    share = expected_seen_share(dataset, len(case.test.documents))
    return AdapterTrainer(seed=seed, seen_share=share, n_jobs=1).fit(embedded(dataset, case))


def label_quality(dataset: RetrievalDataset, case: Case) -> Row:
    """Return how many questions have a label, and the share of the grades that is right."""
    true = {KEY(text): case.train_texts.qrels[q] for q, text in case.train_texts.queries.items()}
    shares = [
        sum(g for d, g in grades.items() if d in true[KEY(dataset.queries[q])])
        / sum(grades.values())
        for q, grades in dataset.qrels.items()
    ]
    return {"questions": len(shares), "right": round(100 * float(np.mean(shares)), 1)}


def measured(make: Callable[[], RetrievalDataset], case: Case, about: Row, seed: int) -> Row:
    began = time.perf_counter()
    dataset = make()
    result = fitted(dataset, case, seed)
    return {
        **about,
        **label_quality(dataset, case),
        "decision": result.decision,
        "p_value": result.p_value,
        **tested(case, case.test, result.adapter),
        "seconds": round(time.perf_counter() - began, 1),
    }


def refitted(case: Case, eta: float, seed: int) -> RetrievalDataset:
    """Return the dataset of users who see, after each round, the adapter trained on all so far."""
    lists: list[ShownList] = []
    adapter: QueryAdapter | None = None
    for number, n_sessions in enumerate(ROUNDS):
        if lists:
            result = fitted(corrected(lists, case), case, seed)
            adapter = None if result.chosen is None else result.adapter
        lists += users(case, adapter, eta, n_sessions, seed + 1000 * number)
    return corrected(lists, case)


def tasks(case: Case, seeds: int) -> Iterator[tuple[Row, Callable[[], RetrievalDataset], int]]:
    """Yield what each row is about, what makes its dataset, and its seed."""
    about: Row = {"set": case.name, "eta": None, "seed": 0}
    yield about | {"labels": "true"}, lambda: case.train_texts, 0
    yield about | {"labels": "true, shown"}, partial(shown_labels, case), 0
    for seed, eta in product(range(seeds), ETAS):
        lists = users(case, None, eta, SESSIONS, seed)
        made: dict[str, Callable[[], RetrievalDataset]] = {
            "raw": partial(raw, lists, case),
            "corrected": partial(corrected, lists, case),
            "corrected, given η": partial(corrected, lists, case, eta=eta),
            "corrected, rest by hand": partial(completed, lists, case),
            "corrected, 4 + 3 + 3": partial(refitted, case, eta, seed),
        }
        for labels, make in made.items():
            yield {"set": case.name, "eta": eta, "seed": seed, "labels": labels}, make, seed


def show(rows: Sequence[Row]) -> None:
    columns = (
        "set",
        "labels",
        "η",
        "seed",
        "questions",
        "right",
        "base",
        "difference",
        "of true",
        "of true, shown",
        "kept",
    )
    table = Table(*columns, title=f"{METRIC} × 100 on the test questions", box=None)
    gains = {(row["set"], row["labels"]): row["test"]["difference"]["mean"] for row in rows}
    for row in rows:
        difference = row["test"]["difference"]
        bounds = [gains.get((row["set"], labels)) for labels in ("true", "true, shown")]
        table.add_row(
            row["set"],
            row["labels"],
            "" if row["eta"] is None else f"{row['eta']:g}",
            str(row["seed"]),
            str(row["questions"]),
            f"{row['right']:.0f} %",
            f"{row['test']['base']['mean']:.1f}",
            f"{difference['mean']:+.1f} [{difference['low']:+.1f}, {difference['high']:+.1f}]",
            *(f"{100 * difference['mean'] / gain:.0f} %" if gain else "" for gain in bounds),
            row["decision"],
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of data sets in BEIR's layout")
    parser.add_argument("--model", choices=MODELS, default="wordllama", help="embedding model")
    parser.add_argument("--sets", nargs="+", default=SETS, help="names of data sets")
    parser.add_argument("--labels", nargs="+", help="kinds of labels (default: all)")
    parser.add_argument("--seeds", type=int, default=1, help="number of simulations")
    parser.add_argument("--cache", type=Path, default=CACHE, help="file that caches the vectors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()

    model = MODELS[options.model]()
    rows: list[Row] = []
    if options.results.exists():
        rows = json.loads(options.results.read_text("utf-8"))["rows"]
    done = [{key: row[key] for key in ("set", "eta", "seed", "labels")} for row in rows]
    what = (
        f"{METRIC} x 100 on the test questions, {model.identity}; {SESSIONS} sessions a question, "
        f"{SHOWN} shown, clicks on {RELEVANT:g} of relevant and {NOISE:g} of other documents seen"
    )
    reading = {"max_queries": 2_500, "cache_path": options.cache}
    for name in options.sets:
        for case in read_cases(options.folder, model, sets=[name], **reading):
            for about, make, seed in tasks(case, options.seeds):
                wanted = not options.labels or about["labels"] in options.labels
                if wanted and about not in done:
                    rows.append(measured(make, case, about, seed))
                    write_results(options.results, {"what": what, "rows": rows})
                    console.print({k: v for k, v in rows[-1].items() if k != "test"}, style="dim")
    show(rows)


if __name__ == "__main__":
    main()
