"""LlamaIndex's dataset class and its file format."""

import json
from pathlib import Path
from typing import Self

from llama_index.core.bridge.pydantic import BaseModel

from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.data.formats import read_llama_index_json
from query_adapters.files.atomic import replace_file

__all__ = ["EmbeddingQAFinetuneDataset", "QADataset", "to_retrieval_dataset"]


class EmbeddingQAFinetuneDataset(BaseModel):
    """Questions, chunks, and the relevant chunks of each question.

    Args:
        queries: Question texts by id.
        corpus: Chunk texts by node id.
        relevant_docs: Ids of the relevant chunks by question id.
        mode: "text".

    Raises:
        InvalidDatasetError: If the three do not fit together.
    """

    queries: dict[str, str]
    corpus: dict[str, str]
    relevant_docs: dict[str, list[str]]
    mode: str = "text"

    def __init__(
        self,
        queries: dict[str, str],
        corpus: dict[str, str],
        relevant_docs: dict[str, list[str]],
        mode: str = "text",
    ) -> None:
        super().__init__(queries=queries, corpus=corpus, relevant_docs=relevant_docs, mode=mode)
        to_retrieval_dataset(self)  # not in a validator, whose error pydantic would wrap

    @property
    def query_docid_pairs(self) -> list[tuple[str, list[str]]]:
        """Each question's text with the ids of its relevant chunks."""
        return [(text, self.relevant_docs[query]) for query, text in self.queries.items()]

    def save_json(self, path: str | Path) -> None:
        """Write the dataset to a file in LlamaIndex's format."""
        replace_file(path, [json.dumps(self.model_dump(), indent=4).encode()])

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """Return the dataset of a file that LlamaIndex or `save_json` wrote.

        Raises:
            InvalidDatasetError: If it is not such a file, or its parts do not fit together.
        """
        return cls.from_retrieval_dataset(read_llama_index_json(path))

    @classmethod
    def from_retrieval_dataset(cls, dataset: RetrievalDataset) -> Self:
        """Return a dataset of the core in this class; grades are lost."""
        return cls(
            queries=dict(dataset.queries),
            corpus=dict(dataset.corpus),
            relevant_docs={query: list(grades) for query, grades in dataset.qrels.items()},
        )
