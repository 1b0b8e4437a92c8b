"""Goldens of DeepEval: `EvaluationDataset.save_as` as JSON, JSONL or CSV."""

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.readers.format import RowFormat, Rows
from query_adapters.data.readers.table import Row

SEPARATOR = "|"  # between the contexts in a cell of CSV or JSONL; DeepEval does not escape it


def fits(row: Row) -> bool:
    """Return whether the row is a golden of one turn."""
    return "input" in row and bool({"expected_output", "context", "retrieval_context"} & row.keys())


def with_lists(row: Row) -> Row:
    """Return the row with its contexts as a list."""
    context = row.get("context")
    return {**row, "context": context.split(SEPARATOR)} if isinstance(context, str) else row


def write(dataset: RetrievalDataset) -> Rows:
    """Return goldens as `add_goldens_from_json_file` takes them."""
    return [
        {
            "input": text,
            "expected_output": None,
            "context": [dataset.corpus[key] for key in dataset.qrels[query]],
        }
        for query, text in dataset.queries.items()
    ]


DEEPEVAL = RowFormat(
    "deepeval",
    fits,
    flat=with_lists,
    columns={"question": "input", "document": "context", "answer": "expected_output"},
    write=write,
    suffixes=(".json",),
)
