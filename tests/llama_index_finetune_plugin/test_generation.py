"""Tests of the generation function of LlamaIndex: signature, output file and warnings."""

import inspect
import json
import warnings
from pathlib import Path

import pytest
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset, generate_qa_embedding_pairs
from llama_index_finetune_plugin.generation import (
    plan_qa_embedding_pairs,
    sources_of,
    texts_of,
)
from llama_index_finetune_plugin.text_generator import LlamaIndexTextGenerator
from query_adapters.errors import GenerationError, InvalidDatasetError
from query_adapters.generation import Prices
from tests.integrations.llama_index import PlainLLM
from tests.providers.llama_index import openai_llm
from tests.servers.chat import (
    EMPTY,
    ChatServer,
    Fault,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning",  # raised inside the SDKs
    "ignore:.*:pydantic.warnings.PydanticDeprecatedSince20",
)


def make_nodes(n: int, *, first: int = 0) -> list[TextNode]:
    return [
        TextNode(id_=f"n{i}", text=f"Chunk marker-{i} says this.", metadata={"file": "f"})
        for i in range(first, first + n)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dataset.json"


def test_the_signature_is_the_one_that_users_know() -> None:
    parameters = inspect.signature(generate_qa_embedding_pairs).parameters
    positional = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert {p.name: p.default for p in positional[3:]} == {
        "num_questions_per_chunk": 2,
        "retry_limit": 3,
        "on_failure": "continue",
        "save_every": 500,
        "output_path": "qa_finetune_dataset.json",
        "verbose": True,
    }
    assert [p.name for p in positional[:3]] == ["nodes", "llm", "qa_generate_prompt_tmpl"]


def test_the_dataset_is_written_and_nodes_without_questions_are_named(path: Path) -> None:
    faults = {"marker-1": [EMPTY, EMPTY, EMPTY], "marker-2": [Fault(400)]}
    told = pytest.warns(UserWarning, match="2 of 4 nodes have no question")
    with ChatServer(faults) as server, told:
        dataset = generate_qa_embedding_pairs(
            make_nodes(4), openai_llm(server), output_path=path, verbose=False
        )
    assert set(dataset.corpus) == {f"n{i}" for i in range(4)}
    assert {ids[0] for ids in dataset.relevant_docs.values()} == {"n0", "n3"}
    assert EmbeddingQAFinetuneDataset.from_json(path) == dataset


def test_no_file_is_written_if_the_key_is_refused(path: Path) -> None:
    faults = {f"marker-{i}": [Fault(401)] * 9 for i in range(5)}
    with ChatServer(faults) as server, pytest.raises(GenerationError, match="valid key"):
        generate_qa_embedding_pairs(
            make_nodes(5), openai_llm(server), output_path=path, verbose=False
        )
    assert not path.exists()


def test_the_plan_counts_the_calls_that_are_left(path: Path) -> None:
    with ChatServer() as server:
        generate_qa_embedding_pairs(
            make_nodes(5), openai_llm(server), output_path=path, verbose=False
        )
        plan = plan_qa_embedding_pairs(
            make_nodes(7), openai_llm(server), output_path=path, prices=Prices(1, 2)
        )
        assert server.asked.total() == 5
    assert (plan.n_known, plan.n_calls) == (5, 2)
    assert plan.cost is not None


def test_a_custom_model_is_named_by_its_class_and_its_own_name() -> None:
    assert LlamaIndexTextGenerator(PlainLLM(answer="")).model_name == "custom_llm/plain"


def old_file(path: Path, n: int) -> bytes:
    nodes = make_nodes(n)
    content = {
        "queries": {f"uuid-{i}": f"old question {i}" for i in range(n)},
        "corpus": {node.node_id: node.text for node in nodes},
        "relevant_docs": {f"uuid-{i}": [f"n{i}"] for i in range(n)},
        "mode": "text",
    }
    path.write_text(json.dumps(content, indent=4), encoding="utf-8")
    return path.read_bytes()


def test_a_whole_file_of_the_old_package_is_accepted_and_none_is_overwritten(
    path: Path,
) -> None:
    content = old_file(path, 3)
    with ChatServer() as server:
        dataset = generate_qa_embedding_pairs(
            make_nodes(3), openai_llm(server), output_path=path, verbose=False
        )
        assert dataset.queries == {f"uuid-{i}": f"old question {i}" for i in range(3)}
        with pytest.raises(InvalidDatasetError, match="3 chunks, 3 of the 4 nodes"):
            generate_qa_embedding_pairs(
                make_nodes(4), openai_llm(server), output_path=path, verbose=False
            )
        assert server.asked.total() == 0
    assert path.read_bytes() == content


def test_the_file_has_the_layout_of_the_old_package(path: Path) -> None:
    with ChatServer() as server:
        generate_qa_embedding_pairs(
            make_nodes(3), openai_llm(server), output_path=path, verbose=False
        )
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)
    assert list(content) == ["queries", "corpus", "relevant_docs", "mode"]
    assert content["mode"] == "text"
    assert all(isinstance(docs, list) for docs in content["relevant_docs"].values())
    assert text == json.dumps(content, indent=4)


def test_save_every_is_obsolete_and_warns_once(path: Path) -> None:
    with ChatServer() as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        generate_qa_embedding_pairs(
            make_nodes(2), openai_llm(server), save_every=10, output_path=path, verbose=False
        )
    told = [str(w.message) for w in caught if issubclass(w.category, FutureWarning)]
    assert told == ["save_every has no effect: every answer is written as it arrives; leave it out"]


def test_a_value_of_on_failure_that_does_not_exist_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="'continue' or 'fail', got 'skip'"):
        generate_qa_embedding_pairs(
            make_nodes(1), PlainLLM(answer=""), on_failure="skip", output_path=path  # type: ignore[arg-type]
        )  # fmt: skip


def test_nodes_give_their_texts_without_metadata_and_their_documents() -> None:
    nodes = make_nodes(2)
    nodes[0].relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="file")
    assert texts_of([*nodes, nodes[0]])["n0"] == "Chunk marker-0 says this."
    assert sources_of(nodes) == {"n0": "file"}
