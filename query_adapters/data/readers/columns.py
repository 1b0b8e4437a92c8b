"""Which column of a table plays which role: guessed from known names, or given."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from query_adapters.errors import InvalidDatasetError

KNOWN: Mapping[str, tuple[str, ...]] = {
    "question": (
        "question", "query", "user_input", "anchor", "input", "search_query", "user_query",
        "question_text", "query_text",
    ),
    "question_id": ("question_id", "query_id", "qid"),
    "document": (
        "document", "documents", "passage", "passages", "context", "contexts", "chunk", "chunks",
        "positive", "positives", "pos", "positive_passages", "positive_ctxs", "reference_contexts",
        "reference_context", "relevant_passage", "relevant_passages", "document_text",
        "passage_text", "chunk_text", "gold_passage", "gold_context", "text",
    ),
    "document_id": (
        "document_id", "document_ids", "doc_id", "doc_ids", "docid", "corpus_id", "passage_id",
        "passage_ids", "pid", "chunk_id", "chunk_ids", "node_id", "relevant", "relevant_ids",
        "relevant_docs", "relevant_documents", "relevant_chunks", "reference_context_ids",
        "expected_ids",
    ),
    "relevance": ("relevance", "grade", "score", "label", "rating", "rel"),
    "negative": (
        "negative", "negatives", "neg", "negative_passages", "hard_negative", "hard_negatives",
        "negative_ctxs", "hard_negative_ctxs",
    ),
    "answer": (
        "answer", "answers", "reference", "reference_answer", "expected_output",
        "expected_answer", "ground_truth", "gold_answer", "expected", "output",
    ),
}  # fmt: skip
"""Names of columns by role, lower case with underscores; `negative_1` and so on are known too."""

ROW_ID = ("id", "_id")  # of the question, if a row holds all there is about it
NUMBERED_NEGATIVE = re.compile(r"(hard_)?negative_?\d+")


@dataclass(frozen=True)
class Columns:
    """The columns of a table by role; a role may have no column, `negative` may have several."""

    names: Mapping[str, tuple[str, ...]]

    def of(self, role: str) -> str | None:
        """Return the role's column, or None."""
        return next(iter(self.names.get(role, ())), None)

    def __str__(self) -> str:
        return ", ".join(f"{role} from {', '.join(map(repr, c))}" for role, c in self.names.items())


def given(columns: Mapping[str, str], present: Collection[str], place: str) -> Columns:
    """Return the columns that were named for their roles.

    Raises:
        InvalidDatasetError: If a role is unknown, a column is missing, or no column is named for
            the questions.
    """
    if unknown := [role for role in columns if role not in KNOWN]:
        raise InvalidDatasetError(
            f"{place}: expected roles among {', '.join(KNOWN)}, got {unknown[0]!r}"
        )
    if missing := [name for name in columns.values() if str(name) not in present]:
        raise InvalidDatasetError(
            f"{place}: has no column {missing[0]!r}; its columns are {_quoted(present)}"
        )
    return Columns({role: (str(name),) for role, name in columns.items()})


def guessed(present: Iterable[str], named: Columns, place: str) -> Columns:
    """Return the columns by their known names; named ones come first.

    Raises:
        InvalidDatasetError: If several columns fit one role, or none holds questions.
    """
    names = dict(named.names)
    taken = {name for columns in names.values() for name in columns}
    free = [name for name in present if name not in taken]
    for role in KNOWN.keys() - names.keys():
        fitting = tuple(name for name in free if _plain(name) in KNOWN[role])
        if role == "negative":
            fitting += tuple(name for name in free if NUMBERED_NEGATIVE.fullmatch(_plain(name)))
        elif len(fitting) > 1:
            raise InvalidDatasetError(
                f"{place}: columns {_quoted(fitting)} may all hold the {role}; name one: "
                f"columns={{{role!r}: {fitting[0]!r}}}, in the command line "
                f"`convert --column {role}={fitting[0]}`"
            )
        if fitting:
            names[role] = fitting
    ordered = {role: names[role] for role in KNOWN if role in names}
    if "question" not in ordered:
        raise InvalidDatasetError(
            f"{place}: no column of questions among {_quoted(present)}; name it: "
            "columns={'question': ...}, in the command line `convert --column question=...`"
        )
    return Columns(ordered)


def _plain(name: str) -> str:
    return re.sub(r"[\s\-.]+", "_", name.strip().lower())


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
