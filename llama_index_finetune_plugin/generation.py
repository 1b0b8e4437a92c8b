"""Generate questions for nodes, by the function names of LlamaIndex."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from llama_index.core.llms import LLM
from llama_index.core.schema import MetadataMode

from llama_index_finetune_plugin.dataset import EmbeddingQAFinetuneDataset
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.nodes import Nodes, listed_nodes
from llama_index_finetune_plugin.text_generator import LlamaIndexTextGenerator
from query_adapters.errors import GenerationWarning, InvalidDatasetError, ObsoleteOptionWarning
from query_adapters.generation import DEFAULT_PROMPT, Plan, QuestionGenerator
from query_adapters.generation.calls import OnFailure
from query_adapters.generation.options import GeneratorOptions, assemble_generator

DEFAULT_QA_GENERATE_PROMPT_TMPL = DEFAULT_PROMPT
SAVE_EVERY = 500  # what it was by default, when it had a meaning


def generate_qa_embedding_pairs(
    nodes: Nodes,
    llm: LLM,
    qa_generate_prompt_tmpl: str = DEFAULT_QA_GENERATE_PROMPT_TMPL,
    num_questions_per_chunk: int = 2,
    retry_limit: int = 3,
    on_failure: OnFailure = "continue",
    save_every: int = SAVE_EVERY,
    output_path: str | Path = "qa_finetune_dataset.json",
    verbose: bool = True,
    *,
    embed_model: BaseLike | None = None,
    **options: Any,
) -> EmbeddingQAFinetuneDataset:
    """Return a dataset of questions for the nodes, and write it to a file.

    Each answer is written to `<output_path>.answers.jsonl` as it arrives: an interrupted run
    resumes from there, by node and text, without paying for an answer twice. One warning names
    the nodes without questions. `question_generator` also returns the summary.

    Args:
        nodes: The chunks.
        llm: Any LlamaIndex language model.
        qa_generate_prompt_tmpl: A template with `{context_str}` and `{num_questions_per_chunk}`.
        num_questions_per_chunk: At least 1.
        retry_limit: Answers per node until one can be used, and tries per answer, at least 1.
        on_failure: "continue" or "fail".
        save_every: Obsolete; every answer is written as it arrives.
        output_path: JSON file in LlamaIndex's format; replaced if it belongs to the same nodes.
        verbose: Whether to show progress, with the tokens or the price so far.
        embed_model: The base model; with it, questions whose node is not in the base's top 10
            are left out.
        **options: As in `question_generator`, such as `concurrency`, `styles`, `examples`.

    Raises:
        InvalidDatasetError: If the file belongs to other nodes; raised before any call.
        GenerationError: If the provider refuses the calls, or no question results.
        ValueError: If an argument is out of range.
    """
    if save_every != SAVE_EVERY:
        warnings.warn(
            "save_every has no effect: every answer is written as it arrives; leave it out",
            ObsoleteOptionWarning,
            stacklevel=2,
        )
    chunks = texts_of(nodes)
    generator = question_generator(
        llm,
        prompt=qa_generate_prompt_tmpl,
        n_questions=num_questions_per_chunk,
        journal=f"{output_path}.answers.jsonl",
        retry_limit=retry_limit,
        on_failure=on_failure,
        embed_model=embed_model,
        show_progress=verbose,
        **options,
    )
    finished = _finished(Path(output_path), generator.journal, chunks)
    if finished is not None:
        return finished
    generated = generator.run(chunks)
    if generated.failures:
        chunk, reason = next(iter(generated.failures.items()))
        warnings.warn(
            f"{len(generated.failures)} of {len(chunks)} nodes have no question, for example "
            f"{chunk!r}: {reason}; run again to ask for them, or leave them out",
            GenerationWarning,
            stacklevel=2,
        )
    dataset = EmbeddingQAFinetuneDataset.from_retrieval_dataset(generated.dataset)
    dataset.save_json(output_path)
    return dataset


def plan_qa_embedding_pairs(
    nodes: Nodes,
    llm: LLM,
    qa_generate_prompt_tmpl: str = DEFAULT_QA_GENERATE_PROMPT_TMPL,
    num_questions_per_chunk: int = 2,
    *,
    output_path: str | Path = "qa_finetune_dataset.json",
    **options: Any,
) -> Plan:
    """Return the plan of `generate_qa_embedding_pairs`: its calls, tokens and price.

    Arguments and errors are those of that function; no call is made and no file written.
    """
    generator = question_generator(
        llm,
        prompt=qa_generate_prompt_tmpl,
        n_questions=num_questions_per_chunk,
        journal=f"{output_path}.answers.jsonl",
        **options,
    )
    return generator.plan(texts_of(nodes))


def question_generator(
    llm: LLM,
    *,
    embed_model: BaseLike | None = None,
    judge: LLM | None = None,
    structured: bool = True,
    **options: Unpack[GeneratorOptions],
) -> QuestionGenerator:
    """Return the core's generator over LlamaIndex models; `run(texts_of(nodes))` starts it.

    Args:
        llm: Any LlamaIndex language model.
        embed_model: The base model, for the checks that need vectors; a LangChain one works too.
        judge: A language model that grades further nodes as relevant; None for no judge.
        structured: Whether a model that can call functions returns its questions as arguments.
        **options: As in `GeneratorOptions`.

    Raises:
        TypeError: If `llm` or `judge` is not a language model, `embed_model` not an embedding
            model, or an option unknown.
        ValueError: If an option is out of range, or needs an `embed_model` that is missing.
    """
    return assemble_generator(
        LlamaIndexTextGenerator(llm, structured=structured),
        embedder=None if embed_model is None else LlamaIndexEmbedder(embed_model),
        judge=None if judge is None else LlamaIndexTextGenerator(judge, structured=False),
        **options,
    )


def texts_of(nodes: Nodes) -> dict[str, str]:
    """Return the nodes' texts by id, without metadata.

    Raises:
        InvalidDatasetError: If one id has two texts.
    """
    texts: dict[str, str] = {}
    for node in listed_nodes(nodes):
        text = node.get_content(metadata_mode=MetadataMode.NONE)
        if texts.setdefault(node.node_id, text) != text:
            raise InvalidDatasetError(
                f"expected unique node ids, got {node.node_id!r} for two different texts; give "
                "each node its own id"
            )
    return texts


def sources_of(nodes: Nodes) -> dict[str, str]:
    """Return the id of the document that each node was cut from, by node id, where it is known."""
    return {node.node_id: node.ref_doc_id for node in listed_nodes(nodes) if node.ref_doc_id}


def _finished(
    path: Path, journal: str | Path | None, chunks: Mapping[str, str]
) -> EmbeddingQAFinetuneDataset | None:
    """Return a dataset file without a journal, if it has questions for exactly these nodes.

    Raises:
        InvalidDatasetError: If the file belongs to other nodes; it would be overwritten.
    """
    if not path.exists() or (journal is not None and Path(journal).exists()):
        return None
    dataset = EmbeddingQAFinetuneDataset.from_json(path)
    asked = {
        chunk for chunks_of_query in dataset.relevant_docs.values() for chunk in chunks_of_query
    }
    if dataset.corpus == dict(chunks) and asked == set(chunks):
        return dataset
    known = sum(dataset.corpus.get(chunk) == text for chunk, text in chunks.items())
    raise InvalidDatasetError(
        f"{path}: holds {len(dataset.corpus)} chunks, {known} of the {len(chunks)} nodes given now "
        "among them, and has no journal of answers beside it; expected a file of these "
        "nodes: name another output_path, or move the file away"
    )
