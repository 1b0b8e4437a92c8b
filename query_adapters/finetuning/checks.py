"""Whether questions, documents and index belong together; if not, figures mean little."""

import logging
from collections import Counter

import numpy as np

from query_adapters.arrays import unit
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.search import exact_search
from query_adapters.stores import StoredVectors

logger = logging.getLogger(__name__)

FEWEST = 20  # questions, of which a mean says something
SURE = 3.0  # standard errors by which own documents must be nearer than others
MOST_COMPARED = 1_000  # documents that are looked for in the index by their vectors
SAME = 0.9999  # cosine of two vectors of one text
EVEN = 0.5  # variance of questions a document over their mean; 1 where they fall at random


def expected_seen_share(dataset: RetrievalDataset, n_stored: int) -> float:
    """Return what share of future questions to expect about documents with training questions.

    Questions dealt evenly to documents, as a generator does, say nothing about it: then every
    document of the index is as likely. Where users asked, some documents come up again and
    again, and how many questions are the only one about their document tells how often the next
    one is about a document without any.

    Args:
        dataset: Training questions.
        n_stored: Documents of the index.

    Source: Good, The Population Frequencies of Species (1953), section 2, for the latter.
    """
    n_questions = Counter(key for judged in dataset.qrels.values() for key in judged)
    asked = np.array(list(n_questions.values()))
    share_of_documents = min(1.0, len(asked) / n_stored)
    if asked.var() < EVEN * asked.mean():
        return share_of_documents
    alone = sum(all(n_questions[key] == 1 for key in judged) for judged in dataset.qrels.values())
    return max(share_of_documents, 1 - (alone + 1) / (len(dataset.queries) + 1))


def warn_of_strangers(
    dataset: RetrievalDataset, embedded: EmbeddedDataset, index: StoredVectors
) -> None:
    """Log documents with questions that the index does not know by their ids.

    Args:
        dataset: Questions and documents.
        embedded: Their vectors.
        index: The index to be served.
    """
    keys = list(dataset.corpus)
    labelled = [int(row) for row in embedded.labelled]
    strangers = [row for row in labelled if keys[row] not in index.row_of]
    if not strangers:
        return
    compared = embedded.documents[strangers[:MOST_COMPARED]]
    nearest = exact_search(compared, index.vectors, k=1)[:, 0]
    cosines = (unit(compared) * unit(index.vectors[nearest])).sum(axis=1)
    told = f"{len(strangers)} of {len(labelled)} documents with questions are not in the index"
    twin = int(cosines.argmax())
    if cosines[twin] >= SAME:
        logger.warning(
            "%s by id, but their vectors are: %r is %r there; use the index's ids, or nothing that "
            "it retrieves will match a label",
            told, keys[strangers[twin]], index.ids[nearest[twin]],
        )  # fmt: skip
    else:
        logger.warning("%s, such as %r: they are embedded", told, keys[strangers[0]])


def warn_of_disorder(embedded: EmbeddedDataset) -> None:
    """Log if questions are no nearer to their own documents than to other questions'."""
    answers, answer_of = np.unique([rows[0] for rows in embedded.relevant], return_inverse=True)
    if len(embedded.queries) < FEWEST or len(answers) == 1:
        return
    queries, documents = unit(embedded.queries), unit(embedded.documents[answers])
    another = (answer_of + len(answers) // 2) % len(answers)
    own = (queries * documents[answer_of]).sum(axis=1)
    other = (queries * documents[another]).sum(axis=1)
    nearer = own - other
    if nearer.mean() < SURE * nearer.std() / np.sqrt(len(nearer)):
        logger.warning(
            "questions are no nearer to their own documents (mean cosine %.3f) than to others' "
            "(%.3f): was the index built with another model or instruction, or do labels belong "
            "to other questions?",
            own.mean(), other.mean(),
        )  # fmt: skip
