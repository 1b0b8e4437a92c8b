"""What the service knows and what its users ask: the demo's documents and questions."""

from typing import Literal, get_args

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.demo import read_dataset

Tenant = Literal["acme", "globex"]
TENANTS: tuple[Tenant, ...] = get_args(Tenant)
TOPICS = {"data": range(733), "systems": range(733, 1402), "networks": range(1402, 1933)}
"""The demo's questions are in order of what they are about: numbers of the questions by topic."""


def read(n_questions: int | None = None) -> RetrievalDataset:
    """Return the first `n_questions` of each topic, and the documents that questions are about.

    A document is the first paragraph of its text, which is quick to embed.
    """
    whole = read_dataset()
    asked = [f"q{number}" for topic in TOPICS.values() for number in topic[:n_questions]]
    queries = {key: whole.queries[key] for key in asked if key in whole.queries}
    qrels = {key: whole.qrels[key] for key in queries}
    documents = {document for grades in qrels.values() for document in grades}
    texts = {key: whole.corpus[key].partition("\n\n")[0] for key in whole.corpus}
    return RetrievalDataset(queries, {key: texts[key] for key in sorted(documents)}, qrels)
