"""The command `inspect`: what an adapter's folder holds, without its model or its texts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from query_adapters.adapters.storage import SavedAdapter, read_adapter
from query_adapters.cli import output
from query_adapters.cli.config import Config
from query_adapters.cli.options import Folder, Json
from query_adapters.fusion import ScoringHead
from query_adapters.fusion.explain import weights_in_words
from query_adapters.fusion.storage import LEXICAL_FOLDER, has_fusion, read_without_words
from query_adapters.lexical.loading import read_record


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
    training = facts.pop("training")
    dims = f"{facts.pop('dim_in')} → {facts.pop('dim_out')}"
    counts = {name: training.get(f"n_{name}") for name in ("queries", "documents")}
    output.show(output.facts({**facts, "dimensions": dims, **counts}))
    if training.get("verdict"):
        output.show("", str(training["verdict"]))
    if retriever is not None:
        _show_retriever(retriever, training.get("retriever", {}))
    if training.get("table"):
        output.show("", _candidates(training))


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
    return {"documents": record["documents"], "language": record["tokenizer"]["language"]}


def _show_retriever(retriever: Mapping[str, Any], training: Mapping[str, Any]) -> None:
    """Print the verdict on the learned retriever, its weights in words, and its exact words."""
    output.show("", f"Learned retriever: {training.get('verdict', 'verdict not recorded')}", "")
    table = Table.grid("", "", Column(overflow="fold"), padding=(0, 2, 0, 0))
    for one in weights_in_words(ScoringHead.from_record(retriever["weights"])):
        table.add_row(one.part, f"{one.weight:.3g}", one.meaning)
    output.show(table)
    lexical = retriever["lexical"]
    if lexical is not None:
        language = lexical["language"] or "words as they are"
        output.show(f"lexical index: {lexical['documents']} documents, {language}")


def _candidates(training: Mapping[str, Any]) -> Table:
    """Return the out-of-fold table with the chosen row marked."""
    headings = ("", "whitening", "λ", "memory", "seen", "unseen", "overall")
    chosen = training.get("chosen")
    rows = [(_mark(row == chosen), *_settings(row["candidate"]), *_scores(row))
            for row in training["table"]]  # fmt: skip
    table = output.plain_table(headings, rows)
    table.title = f"out-of-fold differences from the base, {training.get('metric')} × 100"
    return table


def _mark(chosen: bool) -> str:
    return "*" if chosen else ""


def _settings(candidate: Mapping[str, Any]) -> list[str]:
    memory = candidate["memory"]
    strength = candidate["strength"]
    return [
        f"{candidate['whitening']:g}",
        "∞" if strength is None else f"{strength:g}",
        "" if memory is None else f"r={memory['ease']:g} β={memory['sharpness']:g}",
    ]


def _scores(row: Mapping[str, Any]) -> list[str]:
    views = (row[view] for view in ("seen", "unseen", "overall"))
    return ["" if v is None else f"{100 * v['mean']:+z.1f} ± {100 * v['error']:.1f}" for v in views]
