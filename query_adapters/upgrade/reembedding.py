"""What questions would score if the whole index were embedded again, estimated on a sample."""

from dataclasses import dataclass

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.typing import Rows, Similarity, Values, Vectors
from query_adapters.upgrade.candidates import scores_of

N_HALVES = 10  # random halves of the sample, whose scores are averaged


@dataclass(frozen=True, kw_only=True, eq=False)
class Reembedding:
    """Estimates what questions would score if the whole index were embedded again.

    The questions search the sampled documents. A part of an index is easier to search than the
    whole, and scores fall about linearly in the logarithm of the number of documents: the slope
    from random halves of the sample to the sample is continued to the whole index. If every
    document is in the sample, the estimate is exact.

    Attributes:
        rows: Sampled rows of the index with all relevant ones, ascending, `(n_sampled,)`.
        vectors: Their vectors by the new model, `(n_sampled, dim)`.
        metric: Metric of the scores.
        similarity: What the index ranks by.
        seed: Of the random halves.
    """

    rows: Rows
    vectors: Vectors
    metric: str
    similarity: Similarity
    seed: int = 0

    def estimate(self, asked: EmbeddedDataset) -> Values:
        """Return the estimated score of each question, `(n_questions,)`.

        Args:
            asked: The questions by the new model over the index.
        """
        over = asked.over(self.rows)
        again = EmbeddedDataset(
            asked.queries, self.vectors, over.relevant, over.grades, over.query_groups
        )
        found = self._scored(again)
        n_all, n_sampled = len(asked.documents), len(self.rows)
        others = np.setdiff1d(np.arange(n_sampled), again.labelled)
        n_half = n_sampled - len(others) + len(others) // 2
        if n_sampled == n_all or n_half == n_sampled:
            return found
        steps = np.log(n_all / n_sampled) / np.log(n_sampled / n_half)
        estimate: Values = found - steps * (self._on_halves(again, others) - found)
        return estimate

    def _on_halves(self, again: EmbeddedDataset, others: Rows) -> Values:
        """Return the mean score on half of the documents that are not labelled."""
        rng, n = np.random.default_rng(self.seed), len(others) // 2
        halves = (rng.choice(others, n, replace=False) for _ in range(N_HALVES))
        scores = [self._scored(again.over(np.union1d(again.labelled, half))) for half in halves]
        mean: Values = np.mean(scores, axis=0)
        return mean

    def _scored(self, dataset: EmbeddedDataset) -> Values:
        return scores_of(dataset, None, self.metric, self.similarity)
