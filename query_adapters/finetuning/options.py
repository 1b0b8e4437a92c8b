"""The keyword-only arguments of the fine-tuning engines, documented once for every integration."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.data.dataset import QADataset, Questions, RetrievalDataset
from query_adapters.data.units import UnitsOption
from query_adapters.lexical.collecting import TextBlocks
from query_adapters.stores.stored_form import StoredForm
from query_adapters.typing import Guard, Similarity

AnyQuestions = QADataset | RetrievalDataset | Questions
Memory = Literal["auto"] | bool


class TrainerOptions(TypedDict, total=False):
    """Settings of the training; `AdapterTrainer` holds the defaults.

    Attributes:
        metric: Metric that candidates are compared on; "ndcg@10" by default.
        guard: When a trained adapter replaces the base. "strict" (the default) requires a gain
            that chance does not explain, "expected" a gain that is likely, "off" nothing.
        seen_share: Expected share of future questions about documents that have training
            questions, 0..1; 1 if all future questions are about the same documents. If left
            out, it is estimated: from the questions, if they come as unevenly as those of users,
            else from the index (the share of its documents that have training questions), or a
            half without an index. The verdict states it.
        strengths: Candidates for λ, the strength of the pull toward the base, each above 0.
        whitenings: Candidates for the exponent of the label-free spectral prior, each at least 0.
        similarity: What the index ranks by: "cosine", "dot" or "euclidean". If left out, what
            the index states, or "cosine".
        n_folds: Folds of the cross-validation, at least 2.
        seed: Seed of the fold assignment, the test and the bootstrap; at least 0.
        n_jobs: How many fits of the selection run at once: as in `AdapterTrainer`.
    """

    metric: str
    guard: Guard
    seen_share: float | None
    strengths: Sequence[float]
    whitenings: Sequence[float]
    similarity: Similarity
    n_folds: int
    seed: int
    n_jobs: int | None


class RunOptions(TrainerOptions, total=False):
    """Settings of the training and of one run.

    Attributes:
        memory: Whether the adapter has a memory of the training questions, which gains most where
            questions recur: "auto" (the default) tries both and saves what does better on
            held-out questions, True tries adapters with a memory alone, False linear ones alone.
        cache_path: SQLite file of the embeddings computed so far; by default a file in
            `model_output_path`.
        hybrid: Whether to learn a retriever as well that also weighs exact words and the answers
            of similar training questions (extra: hybrid); False by default.
        texts: For `hybrid`, blocks of (ids, texts) of the index's documents; by default read from
            the index, or the dataset's own without an index.
        probe_text: Text whose vector identifies the embedding model; it is stored in the adapter in
            clear. By default a training question; None stores none, and `verify()` is refused.
    """

    memory: Memory
    cache_path: str | Path | None
    probe_text: str | None
    hybrid: bool
    texts: TextBlocks | None


class ManyOptions(TrainerOptions, total=False):
    """Keyword-only arguments of `finetune_many` in every integration.

    Attributes:
        memory: As in `RunOptions`.
        cache_path: SQLite file of the embeddings computed so far; by default a file in
            `model_output_path`.
        probe_text: As in `RunOptions`; by default a question of each tenant.
        dim: Length of the model's vectors, checked on the first question.
        bias: As in `AdapterTrainer`; True by default.
        device: As in `AdapterTrainer`; "cpu" by default.
        verbose: Whether to show progress bars; False by default.
    """

    memory: Memory
    cache_path: str | Path | None
    probe_text: str | None
    dim: int | None
    bias: bool
    device: str
    verbose: bool


class EngineOptions(RunOptions, total=False):
    """Keyword-only arguments that the adapter engine of every integration takes.

    Attributes:
        val_dataset: Questions that only measure the result; nothing is chosen on them.
    """

    val_dataset: QADataset | RetrievalDataset | None


class IndexOptions(RunOptions, total=False):
    """Keyword-only arguments of `from_index` (LlamaIndex) and `from_vectorstore` (LangChain).

    Attributes:
        units: What the questions' ids name: "chunk" (the default), the ids of stored vectors; a
            metadata key, whose values they are; "text", whole texts, so that equal texts under
            two ids are one; in LlamaIndex also "document", "parent" or "index_id"; or a function
            of a node or document that returns the id of its unit. See the guide on labels.
        val_dataset: Questions that only measure the result; they search the vectors read.
        model_output_path: Folder of the adapter; "model_output" by default.
        check_model: Whether to embed three stored documents and to refuse a model whose vectors
            are not the stored ones; True by default. Skipped with a warning where the store
            does not return texts (LanceDB, PostgreSQL with `halfvec`).
        max_documents: The most documents to read besides those that are relevant to a question:
            a random sample of this size; 100,000 by default, None for all.
        memory_map: Whether to keep the vectors in a `.npy` file instead of in memory: its path,
            or True for `index.npy` in `model_output_path`. The file may be deleted after
            training. False by default.
        stored_form: How the index keeps vectors, if not as they are: a `StoredForm` for 8-bit whole
            numbers or bits. Training is then on what is searched; serve the adapter through
            `EncodedEmbedding` (LlamaIndex) or `EncodedEmbeddings` (LangChain). Not with `hybrid`.
        adapter_model: A LinearAdapter or KernelAdapter to refine instead of starting from the base.
        dim: Length of the model's vectors, checked on the first question.
        bias: As in `AdapterTrainer`; True by default.
        device: As in `AdapterTrainer`; "cpu" by default.
        verbose: Whether to show progress bars; False by default.
    """

    units: UnitsOption
    val_dataset: AnyQuestions | None
    model_output_path: str | Path
    check_model: bool
    max_documents: int | None
    memory_map: bool | str | Path
    stored_form: StoredForm | None
    adapter_model: RefinableAdapter | None
    dim: int | None
    bias: bool
    device: str
    verbose: bool


class LabelFreeSettings(TypedDict, total=False):
    """Settings of the label-free whitening; `LabelFreeFinetuner` holds the defaults.

    Attributes:
        exponent: Strength of the whitening, from 0 (the base) to 0.5 (full); 0.15 by default.
        metric: Metric that the guard compares on; "ndcg@10" by default.
        guard: When the whitening is kept, judged on `check_dataset`: as in `TrainerOptions`.
            Without a `check_dataset` it is always kept.
        similarity: As in `TrainerOptions`.
    """

    exponent: float
    metric: str
    guard: Guard
    similarity: Similarity


class LabelFreeOptions(LabelFreeSettings, total=False):
    """Keyword-only arguments that the label-free engine of every integration takes.

    Attributes:
        check_dataset: Labelled questions about documents of the index. Nothing is fitted to
            them; they decide whether the whitening is kept.
        cache_path: As in `RunOptions`.
        probe_text: As in `RunOptions`; by default a question of `check_dataset`, or
            `NEUTRAL_PROBE` without one.
        verbose: Whether to show a progress bar; False by default.
    """

    check_dataset: QADataset | RetrievalDataset | None
    probe_text: str | None
    cache_path: str | Path | None
    verbose: bool


def known(given: Mapping[str, Any], options: Any) -> dict[str, Any]:
    """Return the settings, if the TypedDict `options` names them all.

    Raises:
        TypeError: If it does not.
    """
    names = options.__optional_keys__
    unknown = sorted(given.keys() - names)
    if unknown:
        raise TypeError(
            f"unexpected arguments: {', '.join(unknown)}; settings of training are "
            f"{', '.join(sorted(names))}"
        )
    return dict(given)


def tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the trainer's sequences as it takes them.

    Raises:
        TypeError: If one is a single value.
    """
    given = [name for name in ("strengths", "whitenings") if name in settings]
    for name in given:
        if isinstance(settings[name], str) or not isinstance(settings[name], Iterable):
            raise TypeError(
                f"{name}: expected several numbers, got {settings[name]!r}; put one in a list"
            )
    return {**settings, **{name: tuple(settings[name]) for name in given}}


def check_flags(**flags: object) -> None:
    """Check that each is True or False.

    Raises:
        TypeError: If one is something else, whose truth may not be what is meant.
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise TypeError(f"{name}: expected True or False, got {flag!r}")


def ranked_by(similarity: Similarity | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, with the index's similarity if they have none."""
    return {**({} if similarity is None else {"similarity": similarity}), **settings}
