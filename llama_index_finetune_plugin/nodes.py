"""LlamaIndex nodes: the texts by which an index embeds them, and datasets made of them."""

from collections.abc import Iterable

from llama_index.core.schema import BaseNode, MetadataMode

from query_adapters.data.dataset import Questions, RetrievalDataset, relevant_docs_of
from query_adapters.errors import InvalidDatasetError

__all__ = ["Questions", "dataset_from_nodes"]


def dataset_from_nodes(nodes: Iterable[BaseNode], questions: Questions) -> RetrievalDataset:
    """Return the dataset of these nodes and questions; equal questions are one.

    A node's text is the one that an index embeds, with the metadata that belong to it.

    Args:
        nodes: The nodes of the index, those that answer no question too.
        questions: Question texts with the ids of their relevant nodes, as a mapping or as pairs.

    Raises:
        InvalidDatasetError: If two nodes have the same id, or a question's node is missing.
        TypeError: If something else than a node is among them.

    Example:
        >>> from llama_index.core.schema import TextNode
        >>> harbour = TextNode(id_="n1", text="The harbour is four miles away.")
        >>> dataset_from_nodes([harbour], {"how far is the harbour?": "n1"})
        RetrievalDataset(1 queries, 1 documents, 1 judgements)
    """
    corpus: dict[str, str] = {}
    for node in nodes:
        if not isinstance(node, BaseNode):
            raise TypeError(
                f"expected LlamaIndex nodes, got {type(node).__name__}; of a query's answer, "
                "take `node.node` of each of its source nodes"
            )
        if node.node_id in corpus:
            raise InvalidDatasetError(f"two nodes have the id {node.node_id!r}; give them one each")
        corpus[node.node_id] = node.get_content(MetadataMode.EMBED)
    relevant = relevant_docs_of(questions)
    return RetrievalDataset.from_relevant_docs({text: text for text in relevant}, corpus, relevant)
