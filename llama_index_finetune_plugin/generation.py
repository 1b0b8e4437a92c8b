"""Questions for nodes that have none, by the function that LlamaIndex users know."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llama_index.core.llms import LLM
from llama_index.core.schema import BaseNode, MetadataMode

from llama_index_finetune_plugin.dataset import EmbeddingQAFinetuneDataset
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.text_generator import LlamaIndexTextGenerator
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import InvalidDatasetError
from query_adapters.generation import (
    DEFAULT_PROMPT,
    CallOptions,
    Checks,
    Plan,
    Prices,
    QuestionGenerator,
)
from query_adapters.generation.calls import OnFailure

DEFAULT_QA_GENERATE_PROMPT_TMPL = DEFAULT_PROMPT
SAVE_EVERY = 500  # what it was by default, when it had a meaning


def generate_qa_embedding_pairs(
    nodes: Sequence[BaseNode],
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
    """Return questions for the nodes, and write them to a file.

    Answers are kept in `<output_path>.answers.jsonl` the moment they come: a run that was
    interrupted goes on there, by node and text, and pays for nothing twice. What could not be
    asked is named in one warning. `question_generator` gives the summary as well.

    Args:
        nodes: The chunks.
        llm: Any LlamaIndex language model.
        qa_generate_prompt_tmpl: With `{context_str}` and `{num_questions_per_chunk}`.
        num_questions_per_chunk: At least 1.
        retry_limit: Answers per node until one can be used, and tries per answer, at least 1.
        on_failure: "continue" or "fail".
        save_every: Obsolete; every answer is kept at once.
        output_path: JSON file, as LlamaIndex wrote it; replaced if it is of the same nodes.
        verbose: Whether to show progress, with the tokens or the price so far.
        embed_model: The base model; with it, questions whose node is not among the base's top
            10 are left out.
        options: Those of `question_generator`, as `concurrency`, `styles`, `examples`, `prices`.

    Raises:
        InvalidDatasetError: If the file is of other nodes; before anything is asked.
        GenerationError: If the provider refuses to be asked, or nothing came of it.
        ValueError: If an argument is out of range.
    """
    if save_every != SAVE_EVERY:
        warnings.warn(
            "save_every has no effect any more: every answer is kept at once",
            FutureWarning,
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
            f"{chunk!r}: {reason}",
            stacklevel=2,
        )
    dataset = EmbeddingQAFinetuneDataset.from_retrieval_dataset(generated.dataset)
    dataset.save_json(output_path)
    return dataset


def plan_qa_embedding_pairs(
    nodes: Sequence[BaseNode],
    llm: LLM,
    qa_generate_prompt_tmpl: str = DEFAULT_QA_GENERATE_PROMPT_TMPL,
    num_questions_per_chunk: int = 2,
    *,
    output_path: str | Path = "qa_finetune_dataset.json",
    **options: Any,
) -> Plan:
    """Return what `generate_qa_embedding_pairs` would ask for: calls, tokens, price.

    Arguments and errors are those of that function; nothing is asked and nothing written.
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
    prompt: str = DEFAULT_PROMPT,
    n_questions: int = 2,
    styles: Sequence[str] | None = None,
    examples: Sequence[str] = (),
    journal: str | Path | None = None,
    prices: Prices | None = None,
    embed_model: BaseLike | None = None,
    cache_path: str | Path | None = None,
    answerable_within: int | None = 10,
    similar_above: float | None = None,
    judge: LLM | None = None,
    structured: bool = True,
    concurrency: int = 16,
    retry_limit: int = 3,
    timeout: float | None = 120.0,
    on_failure: OnFailure = "continue",
    show_progress: bool = False,
) -> QuestionGenerator:
    """Return the core's generator over LlamaIndex models; `run(texts_of(nodes))` starts it.

    Args are those of `QuestionGenerator`, `Checks`, `CallOptions` and `LlamaIndexTextGenerator`;
    `embed_model` is the base model, also a LangChain one; `cache_path` is the file of its vectors.

    Raises:
        TypeError: If `llm` or `judge` is no language model, or `embed_model` no embedding model.
        ValueError: If an option is out of range, or needs an `embed_model` that is not given.
    """
    return QuestionGenerator(
        llm=LlamaIndexTextGenerator(llm, structured=structured),
        prompt=prompt,
        n_questions=n_questions,
        styles=styles,
        examples=examples,
        options=CallOptions(
            concurrency=concurrency,
            retry_limit=retry_limit,
            timeout=timeout,
            on_failure=on_failure,
        ),
        journal=journal,
        prices=prices,
        embedder=None if embed_model is None else LlamaIndexEmbedder(embed_model),
        cache=None if cache_path is None else EmbeddingCache(cache_path),
        checks=Checks(
            answerable_within=answerable_within,
            similar_above=similar_above,
            judge=None if judge is None else LlamaIndexTextGenerator(judge, structured=False),
        ),
        show_progress=show_progress,
    )


def texts_of(nodes: Sequence[BaseNode]) -> dict[str, str]:
    """Return the nodes' texts by id, without metadata.

    Raises:
        InvalidDatasetError: If one id stands for two texts.
    """
    texts: dict[str, str] = {}
    for node in nodes:
        text = node.get_content(metadata_mode=MetadataMode.NONE)
        if texts.setdefault(node.node_id, text) != text:
            raise InvalidDatasetError(
                f"node id {node.node_id!r} stands for two texts; expected unique ids"
            )
    return texts


def sources_of(nodes: Sequence[BaseNode]) -> dict[str, str]:
    """Return the id of the document that each node was cut from, by node id, where it is known."""
    return {node.node_id: node.ref_doc_id for node in nodes if node.ref_doc_id}


def _finished(
    path: Path, journal: str | Path | None, chunks: Mapping[str, str]
) -> EmbeddingQAFinetuneDataset | None:
    """A file of another origin, if it already has questions for every node and no other.

    Raises:
        InvalidDatasetError: If it is there and has not; it would be overwritten.
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
        "among them, and no journal of its answers lies beside it; expected a file of these "
        "nodes: name another output_path, or move the file away"
    )
