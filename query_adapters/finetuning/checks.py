"""Sanity checks that questions, documents and index fit together."""

import logging
from collections import Counter

import numpy as np

from query_adapters.arrays import unit
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.question_counts import are_even
from query_adapters.evaluation.search import exact_search
from query_adapters.stores import StoredVectors

logger = logging.getLogger(__name__)

MIN_QUESTIONS = 20  # fewer say little about a mean
SURE = 3.0  # standard errors by which own documents must be nearer than others
MAX_COMPARED = 1_000  # documents that are looked up in the index by their vectors
SAME = 0.9999  # cosine of two vectors of one text
UNKNOWN = 0.5  # expected share if neither the questions nor an index tell it


def expected_seen_share(dataset: RetrievalDataset, n_stored: int | None = None) -> float:
    """Return the expected share of future questions about documents with training questions.

    If questions are spread evenly over documents, as generated ones are, they say nothing about
    it: then every document of the index is as likely. If users asked them, the counts of questions
    per document vary as in a random sample, and the number of questions that are the only one
    about their document estimates how often the next question is about a document without any.

    Args:
        dataset: Training questions.
        n_stored: Documents of the index; if None, a half is expected where questions say nothing.

    Source: Good, The Population Frequencies of Species (1953), section 2, for the latter.
    """
    n_questions = Counter(key for judged in dataset.qrels.values() for key in judged)
    share_of_documents = UNKNOWN if n_stored is None else min(1.0, len(n_questions) / n_stored)
    if share_of_documents == 1:  # every document of the index has a training question
        return 1.0
    if are_even(n_questions.values()):
        return share_of_documents
    alone = sum(all(n_questions[key] == 1 for key in judged) for judged in dataset.qrels.values())
    return 1 - (alone + 1) / (len(dataset.queries) + 1)


def warn_of_unknown_documents(
    dataset: RetrievalDataset, embedded: EmbeddedDataset, index: StoredVectors
) -> None:
    """Log a warning if the ids of labelled documents are not in the index.

    Args:
        dataset: Questions and documents.
        embedded: Their vectors.
        index: The index to be served.
    """
    keys = list(dataset.corpus)
    labelled = [int(row) for row in embedded.labelled]
    unknown = [row for row in labelled if keys[row] not in index.row_of]
    if not unknown:
        return
    compared = embedded.documents[unknown[:MAX_COMPARED]]
    nearest = exact_search(compared, index.vectors, k=1)[:, 0]
    cosines = (unit(compared) * unit(index.vectors[nearest])).sum(axis=1)
    found = f"{len(unknown)} of {len(labelled)} documents with questions are not in the index"
    twin = int(cosines.argmax())
    if cosines[twin] >= SAME:
        logger.warning(
            "%s by id, but their vectors are: %r has the id %r there; use the ids of the index, "
            "or no retrieved document will match a label",
            found, keys[unknown[twin]], index.ids[nearest[twin]],
        )  # fmt: skip
    else:
        logger.warning("%s, such as %r: they are embedded", found, keys[unknown[0]])


def warn_of_unrelated_labels(embedded: EmbeddedDataset) -> None:
    """Log a warning if questions are no nearer to their own documents than to others'."""
    answers, answer_of = np.unique([rows[0] for rows in embedded.relevant], return_inverse=True)
    if len(embedded.queries) < MIN_QUESTIONS or len(answers) == 1:
        return
    rows = embedded.rows_of(answers)
    queries, documents = unit(embedded.queries), rows.means(unit(embedded.documents[rows.rows]))
    another = (answer_of + len(answers) // 2) % len(answers)
    own = (queries * documents[answer_of]).sum(axis=1)
    other = (queries * documents[another]).sum(axis=1)
    nearer = own - other
    if nearer.mean() < SURE * nearer.std() / np.sqrt(len(nearer)):
        logger.warning(
            "questions are no nearer to their own documents (mean cosine %.3f) than to those of "
            "other questions (%.3f); check that the index was built with this model and "
            "instruction, and that labels belong to their questions",
            own.mean(), other.mean(),
        )  # fmt: skip
