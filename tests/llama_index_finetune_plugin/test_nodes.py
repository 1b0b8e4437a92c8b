"""Test that datasets built from nodes contain the texts that an index embeds."""

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from llama_index_finetune_plugin import dataset_from_nodes
from query_adapters.errors import InvalidDatasetError

HARBOUR = TextNode(
    id_="n1",
    text="The harbour is four miles away.",
    metadata={"page": 3, "file": "secret.pdf"},
    excluded_embed_metadata_keys=["file"],
)
TIDE = TextNode(id_="n2", text="The tide comes in at four.")


def test_a_node_stands_for_the_text_that_is_embedded() -> None:
    dataset = dataset_from_nodes([HARBOUR, TIDE], [("how far?", "n1"), ("how far?", "n2")])
    assert dataset.corpus == {
        "n1": "page: 3\n\nThe harbour is four miles away.",
        "n2": "The tide comes in at four.",
    }
    assert dataset.qrels == {"how far?": {"n1": 1.0, "n2": 1.0}}


def test_two_nodes_of_one_id_and_nodes_that_are_missing_are_refused() -> None:
    with pytest.raises(InvalidDatasetError, match="expected unique node ids, got 'n1' twice"):
        dataset_from_nodes([HARBOUR, HARBOUR], {"how far?": "n1"})
    with pytest.raises(InvalidDatasetError, match="n3"):
        dataset_from_nodes([HARBOUR], {"how far?": "n3"})


def test_what_a_retriever_gives_back_is_no_node() -> None:
    with pytest.raises(TypeError, match="got NodeWithScore"):
        dataset_from_nodes([NodeWithScore(node=HARBOUR)], {"how far?": "n1"})  # type: ignore[list-item]
