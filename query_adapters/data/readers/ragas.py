"""Test sets of Ragas: `to_jsonl`, `to_csv`, `to_pandas`, `to_hf_dataset`."""

import re
from typing import Any

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.readers.format import RowFormat, Rows
from query_adapters.data.readers.table import Row
from query_adapters.data.readers.values import listed

HOP = re.compile(r"\A<\d+-hop>\s*")  # before each context of a question over several documents


def fits(row: Row) -> bool:
    """Return whether the row is of Ragas 0.2 or later."""
    return "user_input" in row


def fits_first(row: Row) -> bool:
    """Return whether the row is of Ragas 0.1, whose `contexts` are what a retriever found."""
    answers = {"ground_truth", "ground_truths"}
    return {"question", "contexts"} <= row.keys() and bool(answers & row.keys())


def without_hops(row: Row) -> Row:
    """Return the row with its reference contexts as they are in the documents."""
    contexts = listed(row.get("reference_contexts"))
    return {**row, "reference_contexts": [HOP.sub("", text) for text in contexts]}


def without_found(row: Row) -> Row:
    """Return the question and its answer; contexts that were retrieved are not known to answer."""
    answers = listed(row.get("ground_truth", row.get("ground_truths")))
    return {"question": row["question"], "answer": answers}


def write(dataset: RetrievalDataset) -> Rows:
    """Return the rows of an `EvaluationDataset`, with the ids of the reference contexts."""
    return [_row(dataset, query) for query in dataset.queries]


def _row(dataset: RetrievalDataset, query: str) -> dict[str, Any]:
    documents = list(dataset.qrels[query])
    return {
        "user_input": dataset.queries[query],
        "reference_contexts": [dataset.corpus[key] for key in documents],
        "reference_context_ids": documents,
    }


RAGAS = RowFormat(
    "ragas",
    fits,
    flat=without_hops,
    columns={
        "question": "user_input",
        "document": "reference_contexts",
        "document_id": "reference_context_ids",
        "answer": "reference",
    },
    write=write,
    keeps=frozenset({"ids of documents"}),
    suffixes=(".jsonl", ".csv"),
)
RAGAS_0_1 = RowFormat(
    "ragas-0.1",
    fits_first,
    flat=without_found,
    columns={"question": "question", "answer": "answer"},
)
