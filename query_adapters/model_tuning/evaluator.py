"""Evaluate the model on held-out questions during training."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.evaluation import evaluate_run
from query_adapters.typing import Values, Vectors

METRIC = "ndcg@10"
NAME = "held-out"
PATTERN = "scores-{}.npy"


class HeldOutEvaluator(InformationRetrievalEvaluator):
    """An InformationRetrievalEvaluator that keeps the nDCG@10 of each question.

    The best evaluation is chosen among all of them, and the guard has to allow for that choice.

    Args:
        dataset: The held-out questions.
        documents: Vectors of its corpus, `(n_documents, dim)`, if they stay as they are; None if
            the model embeds them at each evaluation.
        batch_size: Texts per batch.
    """

    def __init__(
        self, dataset: RetrievalDataset, *, documents: Vectors | None = None, batch_size: int = 32
    ) -> None:
        super().__init__(
            dict(dataset.queries),
            dict(dataset.corpus),
            {query: set(grades) for query, grades in dataset.qrels.items()},
            batch_size=batch_size,
            name=NAME,
        )
        self._qrels = dataset.qrels
        self._documents = None if documents is None else torch.from_numpy(np.array(documents))
        self._values: Values = np.empty(0)

    def __call__(  # type: ignore[override]
        self,
        model: SentenceTransformer,
        output_path: str | None = None,
        epoch: int = -1,
        steps: int = -1,
    ) -> dict[str, float]:
        """Return the metrics by name; write a CSV row and each question's value to the folder.

        Args:
            model: The model to evaluate.
            output_path: The folder, None to write nothing.
            epoch: Epoch of the training.
            steps: Step of the training.
        """
        documents = None if self._documents is None else self._documents.to(model.device)
        metrics: dict[str, Any] = super().__call__(
            model, output_path, epoch, steps, corpus_embeddings=documents
        )
        if output_path is not None:
            np.save(Path(output_path) / PATTERN.format(steps), self._values)
        return {**metrics, METRIC: float(self._values.mean())}

    def compute_metrics(self, queries_result_list: Any) -> dict[str, Any]:
        """Return the means, and keep each question's nDCG@10."""
        run = {
            query: [hit["corpus_id"] for hit in sorted(hits, key=_rank)]
            for query, hits in zip(self.queries_ids, queries_result_list, strict=True)
        }
        qrels = {query: self._qrels[query] for query in run}
        self._values = evaluate_run(run, qrels, metrics=(METRIC,)).per_query[METRIC]
        means: dict[str, Any] = super().compute_metrics(queries_result_list)
        return means


def looks(folder: Path) -> list[Values]:
    """Return the values of each evaluation, `(n_queries,)`, from the folder of evaluations."""
    return [np.load(path) for path in sorted(folder.glob(PATTERN.format("*")))]


def _rank(hit: dict[str, Any]) -> tuple[float, str]:
    return -hit["score"], hit["corpus_id"]
