"""Tables: judged pairs, pairs and triplets of sentence-transformers, questions with ids."""

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.readers.format import RowFormat, Rows
from query_adapters.data.readers.values import protected
from query_adapters.data.rows import to_rows


def write_table(dataset: RetrievalDataset) -> Rows:
    """Return one row per judgement, with ids and grades."""
    return [row | {"document": protected(row["document"])} for row in to_rows(dataset)]


def write_pairs(dataset: RetrievalDataset) -> Rows:
    """Return one row per judgement, as losses of sentence-transformers take them."""
    return [
        {"anchor": row["query"], "positive": protected(row["document"])} for row in to_rows(dataset)
    ]


TABLE = RowFormat(
    "table",
    lambda row: True,
    guesses=True,
    write=write_table,
    keeps=frozenset({"grades", "ids of questions", "ids of documents"}),
    suffixes=(".jsonl", ".csv", ".tsv", ".parquet"),
)
PAIRS = RowFormat(
    "pairs",
    lambda row: "anchor" in row,
    guesses=True,
    write=write_pairs,
    suffixes=(".jsonl", ".csv", ".parquet"),
)
