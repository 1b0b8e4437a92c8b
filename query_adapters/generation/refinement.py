"""Filter and judge the generated questions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.generation.calls import Asker
from query_adapters.generation.judge import FULL, judge_request
from query_adapters.generation.protocol import TextGenerator
from query_adapters.generation.quality import Question, dissimilar, merge_repeated, retrieved
from query_adapters.processes.threads import in_thread
from query_adapters.typing import Texts, Vectors

ANSWERABLE_WITHIN = 10


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Which questions are kept, and the judge of further relevant chunks.

    Repeated questions are always merged. The other checks need the base model's vectors.

    Args:
        answerable_within: A question is kept if a relevant chunk is in the base's top k of this
            size; None to keep all. At 1, the questions that an adapter can learn from would be
            removed.
        similar_above: Of questions with a cosine above this, only the first is kept; None to keep
            all. Questions that differ in a year or a name can have a cosine of 0.95.
        judge: A model that grades the base's top chunks of each question: 1 for partly, 2 for fully
            relevant. The question's own chunk then has grade 2.

    Raises:
        ValueError: If a setting is out of range.
    """

    answerable_within: int | None = ANSWERABLE_WITHIN
    similar_above: float | None = None
    judge: TextGenerator | None = None

    def __post_init__(self) -> None:
        if self.answerable_within is not None and self.answerable_within < 1:
            raise ValueError(
                f"answerable_within: expected at least 1 or None, got {self.answerable_within}"
            )
        if self.similar_above is not None and not 0 < self.similar_above <= 1:
            raise ValueError(
                f"similar_above: expected a cosine above 0 and up to 1, got {self.similar_above}"
            )

    def check_needs(self, embedder: TextEmbedder | None) -> None:
        """Check that the embedder allows the requested checks.

        Raises:
            TypeError: If the embedder is not a TextEmbedder.
            ValueError: If a check that needs vectors is requested without an embedder.
        """
        if embedder is not None and not hasattr(embedder, "embed_queries"):
            raise TypeError(
                f"embedder: expected a TextEmbedder, got {type(embedder).__name__}; wrap a "
                "LangChain model in LangChainEmbedder, a LlamaIndex one in LlamaIndexEmbedder"
            )
        wanted = self.judge is not None or self.similar_above is not None
        chosen = self.answerable_within not in (None, ANSWERABLE_WITHIN)
        if embedder is None and (wanted or chosen):
            raise ValueError(
                "a judge, similar_above or answerable_within needs the vectors of a base model; "
                "pass the embedder too"
            )


@dataclass(frozen=True, kw_only=True)
class Refined:
    """The questions that are kept.

    Attributes:
        questions: The questions, in the order of their chunks.
        dropped: Number of questions left out, by reason.
        n_judged: Further relevant chunks that the judge added.
    """

    questions: Sequence[Question]
    dropped: dict[str, int]
    n_judged: int = 0


async def refine(
    questions: Sequence[Question],
    corpus: Texts,
    *,
    checks: Checks,
    embedder: TextEmbedder | None,
    cache: EmbeddingCache | None,
    asker: Asker,
    show_progress: bool,
) -> Refined:
    """Return the questions that pass the checks; `asker` calls the judge."""
    kept = merge_repeated(questions)
    dropped = {"repeated": len(questions) - len(kept)}
    if embedder is None or not kept:
        return Refined(questions=kept, dropped=dropped)
    cache = cache or EmbeddingCache()
    texts = [question.text for question in kept]
    queries = await in_thread(cache.embed_queries, embedder, texts, show_progress=show_progress)
    if checks.similar_above is not None:
        rows = dissimilar(queries, cosine=checks.similar_above)
        dropped["similar"] = len(kept) - len(rows)
        kept, queries = [kept[row] for row in rows], queries[rows]
    documents = await in_thread(
        cache.embed_documents, embedder, list(corpus.values()), show_progress=show_progress
    )
    found = _nearest(queries, documents, corpus, checks)
    if checks.answerable_within is not None:
        pairs = [(q, ids) for q, ids in zip(kept, found, strict=True) if set(ids) & set(q.chunks)]
        reason = f"own chunk not in the base's top {checks.answerable_within}"
        dropped[reason] = len(kept) - len(pairs)
        kept, found = [question for question, _ in pairs], [ids for _, ids in pairs]
    if checks.judge is None:
        return Refined(questions=kept, dropped=dropped)
    judged = await _judged(kept, found, corpus, asker, show_progress)
    n_judged = sum(len(question.judged) for question in judged)
    return Refined(questions=judged, dropped=dropped, n_judged=n_judged)


def _nearest(
    queries: Vectors, documents: Vectors, corpus: Texts, checks: Checks
) -> list[tuple[str, ...]]:
    return retrieved(queries, documents, list(corpus), k=checks.answerable_within or 10)


async def _judged(
    questions: Sequence[Question],
    found: Sequence[Sequence[str]],
    corpus: Texts,
    asker: Asker,
    show_progress: bool,
) -> list[Question]:
    requests = {
        question.id: judge_request(question, others, corpus, model_name=asker.llm.model_name)
        for question, ids in zip(questions, found, strict=True)
        if (others := [chunk for chunk in ids if chunk not in question.chunks])
    }
    outcomes = await asker.ask_all(
        list(requests.values()), description="Judging", show_progress=show_progress
    )
    added = {id_: o.value or {} for id_, o in zip(requests, outcomes, strict=True) if not o.problem}
    return [replace(q, own_grade=FULL, judged=added.get(q.id, {})) for q in questions]
