"""The section about the learned retriever: its weights, and one question part by part."""

from collections.abc import Iterator

from query_adapters.evaluation.explanation import (
    ExplainedDocument,
    ExplainedQuestion,
    PartWeight,
    RetrieverExplanation,
)
from query_adapters.evaluation.html_report.changes import SHOWN_SNIPPET
from query_adapters.evaluation.html_report.verdict import verdict_html
from query_adapters.evaluation.html_tables import section, table, wide
from query_adapters.text.markup import html_text


def retriever_section(explained: RetrieverExplanation) -> str:
    """Return the verdict on the learned retriever, its weights, and the explained question."""
    verdict = verdict_html(explained.verdict) if explained.verdict else ""
    weights = table(
        ("part of the score", "weight", "what it says"),
        map(_weight_row, explained.weights),
        kind="weights",
    )
    example = "" if explained.example is None else _example(explained.example)
    return section("Learned retriever", f"{verdict}{wide(weights)}{example}")


def _weight_row(one: PartWeight) -> tuple[str, ...]:
    return html_text(one.part), f"{one.weight:.3g}", html_text(one.meaning)


def _example(example: ExplainedQuestion) -> str:
    parts = list(example.documents[0].parts)
    headings = ("document", "rank before", "rank after", "score", *parts)
    rows = (tuple(_document_row(one)) for one in example.documents)
    caption = (
        '<p class="quiet">The best documents of this question, and the relevant ones (✓). Rank '
        "before: by the base model, among all documents. The parts add up to the score; each is "
        "a weight times what the document has of it.</p>"
    )
    return (
        "<h3>One question, part by part</h3>"
        f'<p class="lead">{html_text(example.question)}</p>{_lead(example)}{caption}'
        f"{wide(table(headings, rows, kind='parts'))}"
    )


def _lead(example: ExplainedQuestion) -> str:
    """Return by what the best document leads the base's best one."""
    overtaken = example.overtaken
    if not overtaken:
        return ""
    by = ", ".join(f"{html_text(part)} {_number(gain, '+')}" for part, gain in overtaken.items())
    before = next(one for one in example.documents if one.rank_before == 1)
    return (
        f'<p><span class="id">{html_text(example.documents[0].id)}</span> leads '
        f'<span class="id">{html_text(before.id)}</span>, the base model’s first, by: {by}.</p>'
    )


def _document_row(one: ExplainedDocument) -> Iterator[str]:
    tick, kind = (" ✓", "id better") if one.is_relevant else ("", "id")
    name, snippet = html_text(one.id), html_text(one.text, SHOWN_SNIPPET)
    yield f'<span class="{kind}">{name}{tick}</span> <span class="quiet">{snippet}</span>'
    yield from (str(one.rank_before), str(one.rank), _number(one.score))
    yield from map(_number, one.parts.values())


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}z.3f}".replace("-", "−")
