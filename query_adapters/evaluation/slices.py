"""Slices: subsets of the queries to report separately."""

from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset


def seen_documents(
    dataset: RetrievalDataset | QADataset, training: RetrievalDataset | QADataset
) -> dict[str, str]:
    """Return "seen" or "unseen" by question id.

    A query is "seen" if one of its relevant documents is relevant to a training question.

    Args:
        dataset: The queries to label.
        training: What the adapter was trained on.

    Raises:
        InvalidDatasetError: If the parts of a dataset do not fit together.
    """
    seen = set(to_retrieval_dataset(training).labelled_documents)
    return {
        query: "seen" if seen.intersection(grades) else "unseen"
        for query, grades in to_retrieval_dataset(dataset).qrels.items()
    }
