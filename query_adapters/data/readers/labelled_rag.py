"""LlamaIndex's `LabelledRagDataset.save_json`: an object whose `examples` are rows."""

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.readers.format import RowFormat, Rows
from query_adapters.data.readers.table import Row


def fits(row: Row) -> bool:
    """Return whether the row is a `LabelledRagDataExample`."""
    return {"query", "reference_contexts", "reference_answer"} <= row.keys()


def write(dataset: RetrievalDataset) -> Rows:
    """Return the examples, without answers."""
    return [
        {
            "query": text,
            "query_by": None,
            "reference_contexts": [dataset.corpus[key] for key in dataset.qrels[query]],
            "reference_answer": "",
            "reference_answer_by": None,
        }
        for query, text in dataset.queries.items()
    ]


LABELLED_RAG = RowFormat(
    "labelled-rag",
    fits,
    columns={
        "question": "query",
        "document": "reference_contexts",
        "answer": "reference_answer",
    },
    write=write,
    suffixes=(".json",),
)
