"""The command `inspect`: what an adapter's folder holds, without its model or its texts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from query_adapters.adapters.storage import SavedAdapter, read_adapter
from query_adapters.adapters.training_record import (
    VIEWS,
    RecordedCandidate,
    RecordedScore,
    RecordedTraining,
    read_training,
)
from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.options import Folder, Json
from query_adapters.errors import AdapterFileError, LexicalIndexError
from query_adapters.fusion import ScoringHead
from query_adapters.fusion.explain import weights_in_words
from query_adapters.fusion.storage import LEXICAL_FOLDER, has_fusion, read_without_words
from query_adapters.lexical.loading import read_record
from query_adapters.text.shown import quoted


def inspect(folder: Folder, as_json: Json = False, config: Config = None) -> None:
    """Show an adapter: kind, model, verdict, and the out-of-fold scores of every candidate.

    Of a learned retriever, also its verdict, the weights of its scoring head, and its exact words.

    Example:  query-adapters inspect my_adapter
    """
    saved = read_adapter(folder)
    facts = described(saved)
    retriever = _retriever(folder) if has_fusion(saved) else None
    if as_json:
        return output.show_json(facts if retriever is None else {**facts, "retriever": retriever})
    record = facts.pop("training")
    training = read_training(record)
    candidates = _candidates(training) if training.table else None
    dims = f"{facts.pop('dim_in')} → {facts.pop('dim_out')}"
    counts = {name: record.get(f"n_{name}") for name in ("queries", "documents")}
    labels = _labels(record.get("units"))
    output.show(output.facts({**facts, "dimensions": dims, **counts, "labels on": labels}))
    if training.verdict:
        output.show("", training.verdict)
    if retriever is not None:
        _show_retriever(retriever, read_training(record.get("retriever") or {}).verdict)
    if candidates is not None:
        output.show("", candidates)


def described(saved: SavedAdapter) -> dict[str, Any]:
    """Return what is known of an adapter, as JSON can hold it."""
    adapter, record = saved.adapter, saved.record
    return {
        "kind": adapter.kind,
        "keeps_base": adapter.is_identity,
        "dim_in": adapter.dim_in,
        "dim_out": adapter.dim_out,
        "base_model": record.base_model,
        "created": record.created or None,
        "fingerprint": adapter.fingerprint,
        "training": dict(record.training),
    }


def _labels(units: object) -> str | None:
    """Return what labels were on; None where each vector is a document."""
    if not isinstance(units, Mapping):
        return None
    rule = "units" if units.get("rule") is None else f"units by {units['rule']}"
    return f"{rule}: {units.get('units')} of {units.get('vectors')} vectors"


def _retriever(folder: Path) -> dict[str, Any]:
    """Return what is known of the learned retriever, as JSON can hold it."""
    model = read_without_words(folder).model
    return {
        "weights": model.head.to_record(),
        "similarity": model.similarity,
        "depth": model.depth,
        "questions": len(model.answers),
        "lexical": _lexical(folder / LEXICAL_FOLDER) if model.head.needs_text else None,
    }


def _lexical(folder: Path) -> dict[str, Any]:
    record = read_record(folder)
    try:
        return {"documents": record["documents"], "language": record["tokenizer"]["language"]}
    except (KeyError, TypeError) as exc:
        raise LexicalIndexError(
            f"{folder}: expected a record with documents and tokenizer, got {quoted(record)}; "
            "build the index again"
        ) from exc


def _show_retriever(retriever: Mapping[str, Any], verdict: str) -> None:
    """Print the verdict on the learned retriever, its weights in words, and its exact words."""
    output.show("", f"Learned retriever: {verdict or 'verdict not recorded'}", "")
    table = Table.grid("", "", Column(overflow="fold"), padding=(0, 2, 0, 0))
    for one in weights_in_words(ScoringHead.from_record(retriever["weights"])):
        table.add_row(one.part, f"{one.weight:.3g}", one.meaning)
    output.show(table)
    lexical = retriever["lexical"]
    if lexical is not None:
        language = lexical["language"] or "words as they are"
        output.show(f"lexical index: {lexical['documents']} documents, {language}")


def _candidates(training: RecordedTraining) -> Table:
    """Return the out-of-fold table with the chosen row marked."""
    headings = ("", "whitening", "λ", "memory", "seen", "unseen", "overall")
    rows = [
        ("*" if row == training.chosen else "", *_settings(row), *map(_score, _views(row)))
        for row in training.table
    ]
    title = f"out-of-fold differences from the base, {training.metric} × 100"
    return output.plain_table(headings, rows, title=title)


def _settings(row: RecordedCandidate) -> tuple[str, str, str]:
    try:
        candidate: Any = row.settings
        memory, strength = candidate["memory"], candidate["strength"]
        return (
            f"{candidate['whitening']:g}",
            "∞" if strength is None else f"{strength:g}",
            "" if memory is None else f"r={memory['ease']:g} β={memory['sharpness']:g}",
        )
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise AdapterFileError(
            "training record: expected candidates with whitening, strength and memory, got "
            f"{quoted(row.settings)}; save the adapter again"
        ) from exc


def _views(row: RecordedCandidate) -> Iterator[RecordedScore | None]:
    return (row.scores.get(view) for view in VIEWS)


def _score(view: RecordedScore | None) -> str:
    return "" if view is None else f"{100 * view.mean:+z.1f} ± {100 * view.error:.1f}"
