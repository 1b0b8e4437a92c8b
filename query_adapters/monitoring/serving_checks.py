"""Checks of what serves: the log, the adapter, its model, its index, and its exact words."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from query_adapters.adapters.serving import BRIDGE_RECORD, check_fits, check_probe
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import AdapterMismatchError, DimensionMismatchError
from query_adapters.feedback.reading import FeedbackRecords
from query_adapters.feedback.records import ShownList
from query_adapters.fusion.storage import LEXICAL_FOLDER, has_fusion, read_without_words
from query_adapters.lexical import LexicalIndex
from query_adapters.monitoring.diagnosis import Check
from query_adapters.stores import StoredVectors
from query_adapters.stores.origin import PROBES, check_origin
from query_adapters.stores.sketch import SketchComparison, compared_with_sketch
from query_adapters.text.shown import listed, quoted
from query_adapters.typing import Texts

MOST_DAMAGED = 0.01  # share of the lines of a log
MOST_MISSING = 0.01  # share of the shown documents that the index lacks
MOST_GROWN = 0.2  # change of the number of vectors
USE_THE_MODEL = "use the embedding model that the adapter was trained on, or train again"


def log_check(records: FeedbackRecords) -> Check:
    """Return how much a log holds, and how much of it is damaged."""
    n_lost = records.n_damaged + records.n_orphans
    times = sorted(one.time for one in records.lists if one.time)
    span = f" of {_day(times[0])} to {_day(times[-1])}" if times else ""
    seen = f"{len(records.lists):,} lists{span} with {records.n_events:,} events"
    if not records.lists:
        return Check(name="log", status="failed", seen=seen, advice="log what retrievers show")
    if n_lost > MOST_DAMAGED * (len(records.lists) + records.n_events + n_lost):
        return Check(
            name="log",
            status="warning",
            seen=f"{seen}; {records.n_damaged:,} damaged lines, {records.n_orphans:,} events "
            "without their list",
            advice="look for processes that are killed, and for a disk that is full",
        )
    return Check(name="log", status="ok", seen=seen)


def adapter_check(saved: SavedAdapter, lists: Sequence[ShownList]) -> Check:
    """Return whether the adapter is the one that ranked the lists, if they name it."""
    adapters = Counter(one.system.rpartition("@")[2] for one in lists if "@" in one.system)
    own, total = adapters[saved.adapter.fingerprint], adapters.total()
    if not total:
        return Check(
            name="adapter",
            status="skipped",
            seen="the log does not name adapters; give model= to the handler that writes it",
        )
    seen = f"{own / total:.0%} of {total:,} lists are by {saved.adapter.fingerprint}"
    if own:
        return Check(name="adapter", status="ok", seen=seen)
    return Check(
        name="adapter",
        status="failed",
        seen=f"{seen}; they are by {listed(name for name, _ in adapters.most_common())}",
        advice="name the adapter that serves, or deploy this one",
    )


def model_check(saved: SavedAdapter, embedder: TextEmbedder | None) -> Check:
    """Return whether the model is the one of training, by name and by the probe question."""
    if embedder is None:
        return Check(name="model", status="skipped", seen="no model was given")
    text, expected = saved.record.probe_text, saved.probe_vector
    try:
        check_fits(saved, model_name=embedder.model_name, dim=None)
        if text is None or expected is None:
            return Check(
                name="model",
                status="skipped",
                seen=f"{embedder.model_name}, by its name alone: the adapter holds no probe",
            )
        vector = embedder.embed_queries([text])[0].tolist()
        check_probe(vector, expected, model_name=embedder.model_name)
    except (AdapterMismatchError, DimensionMismatchError) as error:
        return Check(name="model", status="failed", seen=str(error))
    return Check(
        name="model",
        status="ok",
        seen=f"{embedder.model_name} embeds the probe question as in training",
    )


def index_check(
    saved: SavedAdapter,
    index: StoredVectors | None,
    lists: Sequence[ShownList],
    *,
    texts: Texts,
    embedder: TextEmbedder | None,
) -> Check:
    """Return whether the index is the one of training, and holds what was shown."""
    if index is None:
        return Check(name="index", status="skipped", seen="no vectors of the index were given")
    if index.dim != saved.adapter.dim_out:
        return Check(
            name="index",
            status="failed",
            seen=f"vectors of {index.dim} dimensions, {saved.adapter.dim_out} expected",
            advice="serve the index that the adapter was trained for, or train again",
        )
    try:
        probes = dict(islice(((key, texts[key]) for key in index.ids if key in texts), PROBES))
        if probes and embedder is not None and _searches_own(saved):
            check_origin(index, probes, embedder, name="index")
    except (AdapterMismatchError, DimensionMismatchError) as error:
        return Check(name="index", status="failed", seen=str(error))
    sketch = saved.record.training.get("index")
    if sketch is None:
        return _held(index, lists, "the adapter does not say which index it was trained on")
    return _compared(compared_with_sketch(sketch, index), index, lists)


def _searches_own(saved: SavedAdapter) -> bool:
    """Return whether the adapter's model embeds the documents; after an upgrade it does not."""
    is_square = saved.adapter.dim_in == saved.adapter.dim_out
    return is_square and BRIDGE_RECORD not in saved.record.training


def _compared(now: SketchComparison, index: StoredVectors, lists: Sequence[ShownList]) -> Check:
    size = f"{now.n_now:,} vectors, {now.n_then:,} in training"
    if now.n_found and now.n_changed > now.n_found / 2:
        return Check(
            name="index",
            status="failed",
            seen=f"{size}; {now.n_changed} of {now.n_found} sampled documents have other vectors",
            advice="serve the index that the adapter was trained for, or train again",
        )
    n_gone = now.n_sampled - now.n_found if _is_whole(index) else 0
    n_odd = n_gone + now.n_changed
    grown = abs(now.n_now / max(now.n_then, 1) - 1)
    if n_odd > now.n_sampled / 4 or grown > MOST_GROWN:
        return Check(
            name="index",
            status="warning",
            seen=f"{size}; of {now.n_sampled} sampled documents, {n_gone} are gone and "
            f"{now.n_changed} have another vector",
            advice="label questions about new documents, and train again",
        )
    return _held(index, lists, f"{size}; the sampled documents are those of training")


def _held(index: StoredVectors, lists: Sequence[ShownList], seen: str) -> Check:
    """Return whether the index holds what was shown; a sample of one cannot tell."""
    if not _is_whole(index):
        return Check(name="index", status="ok", seen=seen)
    shown = {key for one in lists for key in one.ids}
    missing = sorted(shown.difference(index.labels))
    if len(missing) <= MOST_MISSING * len(shown):
        return Check(name="index", status="ok", seen=seen)
    return Check(
        name="index",
        status="warning",
        seen=f"{seen}; it lacks {len(missing):,} of {len(shown):,} documents that were shown, such "
        f"as {quoted(missing[0])}",
        advice="give the index that serves, whose ids are those of the log",
    )


def _is_whole(index: StoredVectors) -> bool:
    """Return whether it is not a sample; with units, the size of an index is that of units."""
    return index.n_stored is None or index.n_stored <= len(index.labels)


def lexical_check(
    folder: Path, saved: SavedAdapter, index: StoredVectors | None, texts: Texts
) -> Check:
    """Return whether the exact words of a learned retriever are those of the documents."""
    if not has_fusion(saved) or not read_without_words(folder).model.head.needs_text:
        return Check(name="words", status="skipped", seen="the adapter uses no exact words")
    if not texts and index is None:
        return Check(name="words", status="skipped", seen="no documents of the index were given")
    lexical = LexicalIndex.load(folder / LEXICAL_FOLDER)
    stored = set(texts) or set(() if index is None else index.ids)
    n_gone = len(set(lexical.ids) - stored)
    n_new = len(stored.difference(lexical.ids))
    known = [key for key in texts if key in lexical]
    n_changed = len(lexical.outdated(known, [texts[key] for key in known]))
    if not n_gone + n_new + n_changed:
        compared = "texts" if texts else "ids"
        return Check(
            name="words", status="ok", seen=f"{len(lexical):,} documents, whose {compared} agree"
        )
    return Check(
        name="words",
        status="warning",
        seen=f"of {len(stored):,} documents, the lexical index lacks {n_new:,} and has other texts "
        f"of {n_changed:,}; {n_gone:,} of its own are gone",
        advice="call refresh() of the FusionRetriever",
    )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
