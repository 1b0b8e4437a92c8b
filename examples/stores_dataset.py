"""The demo's dataset with UUIDs as document ids, as Qdrant requires, and rows of results."""

from collections.abc import Mapping
from importlib.util import find_spec
from uuid import NAMESPACE_URL, uuid5

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import split_by_query
from query_adapters.demo import read_dataset
from query_adapters.evaluation.pairwise import MetricComparison


def read_split(*, n_queries: int) -> tuple[RetrievalDataset, RetrievalDataset]:
    """Return training and held-out questions."""
    dataset = read_dataset(n_queries=n_queries)
    ids = {name: str(uuid5(NAMESPACE_URL, name)) for name in dataset.corpus}
    qrels = {q: {ids[d]: g for d, g in grades.items()} for q, grades in dataset.qrels.items()}
    corpus = {ids[name]: text for name, text in dataset.corpus.items()}
    return split_by_query(RetrievalDataset(dataset.queries, corpus, qrels), held_out=0.3, seed=0)


def missing(modules: str) -> list[str]:
    """Return the modules, from names separated by spaces, that are not installed."""
    return [name for name in modules.split() if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    parent = name.rpartition(".")[0]  # without the parent, looking up the module raises
    return (not parent or _is_installed(parent)) and find_spec(name) is not None


def row_of(compared: Mapping[str, MetricComparison]) -> tuple[str, str, str]:
    """Return nDCG@10 × 100 of base and adapted, and their difference with its interval."""
    one = compared["ndcg@10"]
    means = [f"{100 * evaluated.mean:.1f}" for evaluated in (one.base, one.adapted)]
    gain = one.difference
    interval = f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
    return means[0], means[1], f"{100 * gain.mean:+.1f} {interval}"
