"""The function that LlamaIndex users know, through the real SDKs against a provider on loopback."""

import inspect
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import LLM, CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.llms.cohere import Cohere
from llama_index.llms.openai import OpenAI

from llama_index_finetune_plugin import EmbeddingQAFinetuneDataset, generate_qa_embedding_pairs
from llama_index_finetune_plugin.generation import (
    plan_qa_embedding_pairs,
    question_generator,
    sources_of,
    texts_of,
)
from llama_index_finetune_plugin.text_generator import LlamaIndexTextGenerator
from query_adapters.errors import GenerationError, InvalidDatasetError
from query_adapters.generation import Prices
from tests.servers.chat import (
    BROKEN_DOWN,
    EMPTY,
    HANGS,
    MALFORMED,
    MARKER,
    RATE_LIMITED,
    REFUSES,
    SHAPES,
    TRUNCATED,
    ChatServer,
    Fault,
    questions_about,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning",  # of the SDKs
    "ignore:.*:pydantic.warnings.PydanticDeprecatedSince20",
)
MISBEHAVIOUR: Mapping[str, Sequence[Fault]] = {
    "marker-0": [RATE_LIMITED],
    "marker-1": [BROKEN_DOWN],
    "marker-2": [HANGS],
    "marker-3": [TRUNCATED],
    "marker-4": [MALFORMED],
    "marker-5": [REFUSES],
    "marker-6": [EMPTY, EMPTY, EMPTY],
    "marker-7": [Fault(400)],
    "marker-8": [RATE_LIMITED, BROKEN_DOWN],
}


def openai(server: ChatServer, **settings: Any) -> LLM:
    return OpenAI(
        model="gpt-4o-mini", api_base=f"{server.url}/v1", api_key="k", max_retries=0, **settings
    )


def cohere(server: ChatServer) -> LLM:
    return Cohere(model="command-r", base_url=server.url, api_key="k", max_retries=1)


def make_nodes(n: int, *, first: int = 0) -> list[TextNode]:
    return [
        TextNode(id_=f"n{i}", text=f"Chunk marker-{i} says this.", metadata={"file": "f"})
        for i in range(first, first + n)
    ]


def own_questions(dataset: EmbeddingQAFinetuneDataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for query, chunks in dataset.relevant_docs.items():
        for chunk in chunks:
            found.setdefault(chunk, []).append(dataset.queries[query])
    return found


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


@pytest.mark.parametrize("make_llm", [openai, cohere])
@pytest.mark.parametrize("structured", [True, False])
def test_whatever_the_provider_does_no_question_is_filed_under_another_chunk(
    make_llm: Callable[..., LLM], structured: bool, path: Path
) -> None:
    with ChatServer(MISBEHAVIOUR) as server:
        with pytest.warns(UserWarning, match="2 of 12 nodes have no question"):
            dataset = generate_qa_embedding_pairs(
                make_nodes(12),
                make_llm(server),
                output_path=path,
                verbose=False,
                structured=structured,
                timeout=1.5,
            )
        uses_tools = any("tools" in r for asked in server.requests.values() for r in asked)
    assert own_questions(dataset) == {
        f"n{i}": questions_about(f"marker-{i}") for i in range(12) if i not in (6, 7)
    }
    assert set(dataset.corpus) == {f"n{i}" for i in range(12)}
    assert uses_tools == structured
    assert {marker: server.paid[marker] for marker in MISBEHAVIOUR} == {
        **{f"marker-{i}": 1 for i in (0, 1, 2, 3, 4, 8)},
        "marker-5": 2,
        "marker-6": 3,
        "marker-7": 0,
    }
    assert EmbeddingQAFinetuneDataset.from_json(path) == dataset


def test_sixteen_requests_are_under_way_at_once_and_never_more(path: Path) -> None:
    with ChatServer(hold_until=16) as server:
        dataset = generate_qa_embedding_pairs(
            make_nodes(100), openai(server), output_path=path, verbose=False, concurrency=16
        )
        assert server.most_in_flight == 16
    assert len(dataset.queries) == 200


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_plain_answers_in_every_dress_come_through(shape: str, path: Path) -> None:
    with ChatServer(shape=shape) as server:
        dataset = generate_qa_embedding_pairs(
            make_nodes(2), openai(server), output_path=path, verbose=False, structured=False
        )
        assert server.n_paid == 2
    assert own_questions(dataset) == {f"n{i}": questions_about(f"marker-{i}") for i in range(2)}


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_ends_the_run_at_once(status: int, path: Path) -> None:
    faults = {f"marker-{i}": [Fault(status)] * 9 for i in range(50)}
    with ChatServer(faults) as server:
        with pytest.raises(
            GenerationError, match=f"openai_llm/gpt-4o-mini may not.*{status}.*valid key"
        ):
            generate_qa_embedding_pairs(
                make_nodes(50), openai(server), output_path=path, verbose=False, concurrency=4
            )
        assert server.asked.total() <= 8
    assert not path.exists()


def test_the_same_nodes_again_cost_nothing_and_other_nodes_are_refused(path: Path) -> None:
    with ChatServer() as server:
        first = generate_qa_embedding_pairs(
            make_nodes(5), openai(server), output_path=path, verbose=False
        )
        again = generate_qa_embedding_pairs(
            make_nodes(5), openai(server), output_path=path, verbose=False
        )
        assert server.n_paid == 5
        with pytest.raises(InvalidDatasetError, match="none of them among those given"):
            generate_qa_embedding_pairs(
                make_nodes(5, first=5), openai(server), output_path=path, verbose=False
            )
        plan = plan_qa_embedding_pairs(
            make_nodes(7), openai(server), output_path=path, prices=Prices(1, 2)
        )
        assert server.asked.total() == 5
    assert again == first
    assert (plan.n_known, plan.n_calls) == (5, 2)
    assert plan.cost is not None


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


def test_a_file_of_the_old_package_is_taken_where_it_is_whole_and_never_overwritten(
    path: Path,
) -> None:
    content = old_file(path, 3)
    with ChatServer() as server:
        dataset = generate_qa_embedding_pairs(
            make_nodes(3), openai(server), output_path=path, verbose=False
        )
        assert dataset.queries == {f"uuid-{i}": f"old question {i}" for i in range(3)}
        with pytest.raises(InvalidDatasetError, match="3 chunks, 3 of the 4 nodes"):
            generate_qa_embedding_pairs(
                make_nodes(4), openai(server), output_path=path, verbose=False
            )
        assert server.asked.total() == 0
    assert path.read_bytes() == content


def test_the_file_has_the_layout_of_the_old_package(path: Path) -> None:
    with ChatServer() as server:
        generate_qa_embedding_pairs(make_nodes(3), openai(server), output_path=path, verbose=False)
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)
    assert list(content) == ["queries", "corpus", "relevant_docs", "mode"]
    assert content["mode"] == "text"
    assert all(isinstance(docs, list) for docs in content["relevant_docs"].values())
    assert text == json.dumps(content, indent=4)


def test_save_every_is_obsolete_and_says_so_once(path: Path) -> None:
    with ChatServer() as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        generate_qa_embedding_pairs(
            make_nodes(2), openai(server), save_every=10, output_path=path, verbose=False
        )
    told = [str(w.message) for w in caught if w.category is FutureWarning]
    assert told == ["save_every has no effect any more: every answer is kept at once"]


def test_a_value_of_on_failure_that_does_not_exist_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="'continue' or 'fail', got 'skip'"):
        generate_qa_embedding_pairs(make_nodes(1), Plain(), on_failure="skip", output_path=path)  # type: ignore[arg-type]


class Plain(CustomLLM):
    """A model of one's own, which can only complete."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="plain")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text="1. What is it about?\n2. Who wrote it?")

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError


def test_a_model_of_ones_own_that_only_completes_will_do(path: Path) -> None:
    dataset = generate_qa_embedding_pairs(make_nodes(1), Plain(), output_path=path, verbose=False)
    assert list(dataset.queries.values()) == ["What is it about?", "Who wrote it?"]
    assert LlamaIndexTextGenerator(Plain()).model_name == "custom_llm/plain"


async def test_it_works_inside_a_running_loop(path: Path) -> None:
    with ChatServer() as server:
        dataset = generate_qa_embedding_pairs(
            make_nodes(2), openai(server), output_path=path, verbose=False
        )
    assert len(dataset.queries) == 4


def test_with_a_base_model_and_a_judge_further_nodes_become_relevant(
    path: Path, make_base: Callable[..., Any]
) -> None:
    def reply(text: str) -> str:
        marker = MARKER.findall(text)[0]
        return '{"1": 2}' if "Which of these" in text else f"What is {marker}?\nWho is {marker}?"

    with ChatServer(reply=reply) as server:
        generated = question_generator(
            openai(server),
            embed_model=make_base(),
            cache_path=path.with_suffix(".sqlite"),
            judge=openai(server),
        ).run(texts_of(make_nodes(3)))
    assert generated.summary.n_judged == 6
    assert all(list(g.values()) == [2.0, 2.0] for g in generated.dataset.qrels.values())


@pytest.mark.parametrize("options", [{"embed_model": object()}, {"judge": "x"}, {"llm": "gpt-4"}])
def test_what_is_no_model_is_refused_before_anything_is_asked(
    options: dict[str, Any], path: Path
) -> None:
    with ChatServer() as server:
        with pytest.raises(TypeError, match=r"expected a LlamaIndex .*got (object|str)"):
            generate_qa_embedding_pairs(
                make_nodes(2), output_path=path, **{"llm": openai(server), **options}
            )
        assert server.asked.total() == 0


def test_nodes_give_their_texts_without_metadata_and_their_documents() -> None:
    nodes = make_nodes(2)
    nodes[0].relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id="file")
    assert texts_of([*nodes, nodes[0]])["n0"] == "Chunk marker-0 says this."
    assert sources_of(nodes) == {"n0": "file"}
    with pytest.raises(InvalidDatasetError, match="'n0' stands for two texts"):
        texts_of([nodes[0], TextNode(id_="n0", text="other")])
