"""The default hybrids of LlamaIndex and LangChain, which a learned retriever is compared with."""

from collections.abc import Mapping, Sequence

RANK_FUSION, RELATIVE_SCORES = "reciprocal rank fusion", "relative scores"
HYBRIDS = (RANK_FUSION, RELATIVE_SCORES)
"""Their names in comparisons."""
RANK_CONSTANT = 60


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[str]], *, constant: int = RANK_CONSTANT
) -> list[str]:
    """Return the ids of all rankings, by descending Σ 1 / (constant + rank), with ranks from 1.

    Equal sums keep the order in which the ids first appear.

    Args:
        rankings: Distinct ids, best first, by each retriever.
        constant: How little the first ranks stand out.

    Source: Cormack, Clarke and Büttcher, Reciprocal Rank Fusion Outperforms Condorcet and
        Individual Rank Learning Methods (2009), 2; LangChain's `EnsembleRetriever` with equal
        weights. LlamaIndex's mode "reciprocal_rerank" counts ranks from 0: a constant of 59 here.
    """
    sums: dict[str, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            sums[key] = sums.get(key, 0.0) + 1 / (constant + rank)
    return sorted(sums, key=sums.__getitem__, reverse=True)


def relative_score_fusion(scored: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the ids of all retrievers, by their mean score after each is scaled to 0..1.

    A retriever scores 0 for an id that it did not retrieve. Equal means keep the order in which the
    ids first appear.

    Args:
        scored: Scores by id, best first, by each retriever.

    Source: LlamaIndex's `QueryFusionRetriever`, mode "relative_score" with equal weights.
    """
    means: dict[str, float] = {}
    for scores in scored:
        for key, share in _relative(scores).items():
            means[key] = means.get(key, 0.0) + share / len(scored)
    return sorted(means, key=means.__getitem__, reverse=True)


def _relative(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the scores from 0, the lowest, to 1, the highest; equal ones count as 1 above 0."""
    lowest, highest = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    if highest == lowest:
        return dict.fromkeys(scores, 1.0 if highest > 0 else 0.0)
    return {key: (score - lowest) / (highest - lowest) for key, score in scores.items()}
