"""Datasets of LlamaIndex nodes."""

from collections.abc import Iterable, Mapping

from llama_index.core.schema import BaseNode, MetadataMode

from query_adapters.data.dataset import Questions, RetrievalDataset, relevant_docs_of
from query_adapters.errors import InvalidDatasetError

__all__ = ["Questions", "dataset_from_nodes"]

Nodes = Iterable[BaseNode] | Mapping[str, BaseNode]


def dataset_from_nodes(nodes: Nodes, questions: Questions) -> RetrievalDataset:
    """Return a dataset of these nodes and questions; equal questions are merged.

    A node's text is the one that an index embeds, including its metadata.

    Args:
        nodes: The nodes of the index, including those that answer no question: a list, or a
            mapping by id such as `index.docstore.docs`.
        questions: Question texts with the ids of their relevant nodes, as a mapping or as pairs.

    Raises:
        InvalidDatasetError: If two nodes have the same id, or a relevant node is missing.
        TypeError: If `nodes` is an index, or holds anything but nodes.

    Example:
        >>> from llama_index.core.schema import TextNode
        >>> harbour = TextNode(id_="n1", text="The harbour is four miles away.")
        >>> dataset_from_nodes([harbour], {"how far is the harbour?": "n1"})
        RetrievalDataset(1 queries, 1 documents, 1 judgements)
    """
    corpus: dict[str, str] = {}
    for node in listed_nodes(nodes):
        if node.node_id in corpus:
            raise InvalidDatasetError(
                f"expected unique node ids, got {node.node_id!r} twice; give each node its own id"
            )
        corpus[node.node_id] = node.get_content(MetadataMode.EMBED)
    relevant = relevant_docs_of(questions)
    return RetrievalDataset.from_relevant_docs({text: text for text in relevant}, corpus, relevant)


def listed_nodes(nodes: Nodes) -> list[BaseNode]:
    """Return the nodes as a list; of a mapping, such as `index.docstore.docs`, its values.

    Raises:
        TypeError: If it is an index, or holds anything but nodes.
    """
    if not isinstance(nodes, Iterable):
        raise TypeError(
            f"nodes: expected LlamaIndex nodes, got {type(nodes).__name__}; of an index, pass "
            "index.docstore.docs if its docstore keeps the nodes"
        )
    listed = list(nodes.values() if isinstance(nodes, Mapping) else nodes)
    for node in listed:
        if not isinstance(node, BaseNode):
            raise TypeError(
                f"nodes: expected LlamaIndex nodes, got {type(node).__name__}; of a NodeWithScore, "
                "pass its `node`"
            )
    return listed
