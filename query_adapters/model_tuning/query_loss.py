"""Loss for training a query tower against fixed document vectors."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.model_tuning.models import Ranking

SCALE = {"cosine": 20.0, "dot": 1.0}  # as in MultipleNegativesRankingLoss


class FrozenDocumentsLoss(nn.Module):
    """Softmax over the documents that are relevant to some question, and a pull toward the base.

    (1/n) Σᵢ [ (1/|Rᵢ|) Σ_{j∈Rᵢ} log(1 + e^{−τ sᵢⱼ} Σ_{k∉Rᵢ} e^{τ sᵢₖ}) + λ ‖qᵢ − qᵢ⁰‖² ], with
    sᵢⱼ = qᵢ·dⱼ, Rᵢ the question's relevant documents and qᵢ⁰ the base's vector of it, all of
    length 1 if the model ranks by cosine. Documents that are relevant to no training question
    are not used as negatives: the model would only learn to rank them low.

    Args:
        model: The query tower to train.
        dataset: Training questions embedded by the base, and the stored document vectors.
        ranking: Similarity that the model ranks by.
        pull: λ >= 0.
        use_all_docs: Whether every relevant document is a positive, or only the first.
    """

    documents: Tensor
    base: Tensor

    def __init__(
        self,
        model: SentenceTransformer,
        dataset: EmbeddedDataset,
        *,
        ranking: Ranking,
        pull: float,
        use_all_docs: bool = True,
    ) -> None:
        super().__init__()
        self.model = model
        self._normalises = ranking == "cosine"
        self._scale = SCALE[ranking]
        self._pull = pull
        labelled = dataset.labelled
        self._relevant = [np.searchsorted(labelled, rows) for rows in dataset.relevant]
        self._n_positives = None if use_all_docs else 1
        self.register_buffer("documents", self._directed(_tensor(dataset.documents[labelled])))
        self.register_buffer("base", self._directed(_tensor(dataset.queries)))

    def forward(self, features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            features: One column: the questions.
            labels: Their rows in the dataset, `(batch,)`.
        """
        (questions,) = features
        queries = self._directed(self.model(questions)["sentence_embedding"].float())
        scores = self._scale * queries @ self.documents.T
        rows = labels.tolist()
        relevant = self._mask(rows, None).to(scores.device)
        positives = self._mask(rows, self._n_positives).to(scores.device)
        against = scores.masked_fill(relevant, -torch.inf).logsumexp(dim=1, keepdim=True)
        losses = softplus(against - scores).masked_fill(~positives, 0).sum(dim=1)
        moved = (queries - self.base[labels]).square().sum(dim=1)
        return (losses / positives.sum(dim=1) + self._pull * moved).mean()

    def _mask(self, rows: list[int], most: int | None) -> Tensor:
        mask = torch.zeros((len(rows), len(self.documents)), dtype=torch.bool)
        for place, row in enumerate(rows):
            mask[place, self._relevant[row][:most]] = True
        return mask

    def _directed(self, vectors: Tensor) -> Tensor:
        return normalize(vectors, dim=-1) if self._normalises else vectors


def _tensor(vectors: Any) -> Tensor:
    return torch.from_numpy(np.array(vectors, dtype=np.float32))
