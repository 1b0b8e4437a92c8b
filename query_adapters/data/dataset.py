"""The retrieval dataset as text: queries, corpus and relevance judgements."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Any, NoReturn, Protocol

from query_adapters.data.weights import checked_weights
from query_adapters.errors import InvalidDatasetError
from query_adapters.text.incoming import SURROGATES, unencodable
from query_adapters.text.shown import listed, quoted
from query_adapters.typing import Qrels, Texts

Questions = Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str | Iterable[str]]]
"""Question texts, each with the id of its relevant document, or with several."""


@dataclass(frozen=True)
class RetrievalDataset:
    """Queries with their graded relevant documents, validated on construction.

    Args:
        queries: Question texts by id.
        corpus: Document texts by id, including documents that answer no question.
        qrels: For each query, the grades (> 0) of its relevant documents.
        weights: How much a question counts in training, selection and means of metrics, from 0;
            1 if left out. Empty if all count alike.

    Raises:
        InvalidDatasetError: If there is no question, a text is empty or UTF-8 cannot hold it, a
            question has no relevant document, a judgement names an unknown id, or a grade is not a
            finite number above 0, or a weight is not one from 0.

    Example:
        >>> dataset = RetrievalDataset({"q": "how far?"}, {"d": "Four miles."}, {"q": {"d": 1}})
        >>> dataset
        RetrievalDataset(1 queries, 1 documents, 1 judgements)
    """

    queries: Texts
    corpus: Texts
    qrels: Qrels
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "queries", MappingProxyType(dict(self.queries)))
        object.__setattr__(self, "corpus", MappingProxyType(dict(self.corpus)))
        qrels = {query: MappingProxyType(dict(grades)) for query, grades in self.qrels.items()}
        object.__setattr__(self, "qrels", MappingProxyType(qrels))
        _validate(self)
        object.__setattr__(self, "weights", checked_weights(self.weights, self.queries))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the parts as plain mappings for copies; mapping views cannot be copied."""
        qrels = {query: dict(grades) for query, grades in self.qrels.items()}
        return type(self), (dict(self.queries), dict(self.corpus), qrels, dict(self.weights))

    def __repr__(self) -> str:
        n_judgements = sum(map(len, self.qrels.values()))
        return (
            f"{type(self).__name__}({len(self.queries)} queries, "
            f"{len(self.corpus)} documents, {n_judgements} judgements)"
        )

    def select(self, query_ids: Iterable[str]) -> "RetrievalDataset":
        """Return the dataset with these questions only, over the whole corpus."""
        kept = list(query_ids)
        return RetrievalDataset(
            {query: self.queries[query] for query in kept},
            self.corpus,
            {query: self.qrels[query] for query in kept},
            {query: self.weights[query] for query in kept if self.weights},
        )

    @property
    def labelled_documents(self) -> tuple[str, ...]:
        """Ids of the documents that are relevant to a question, in corpus order."""
        labelled = {document for grades in self.qrels.values() for document in grades}
        return tuple(document for document in self.corpus if document in labelled)

    @classmethod
    def from_relevant_docs(
        cls, queries: Texts, corpus: Texts, relevant_docs: Mapping[str, Iterable[str]]
    ) -> "RetrievalDataset":
        """Return a dataset in which each listed document has grade 1.

        Raises:
            InvalidDatasetError: If the parts do not fit together, or a string replaces a list of
                ids.
        """
        return cls(queries, corpus, _ungraded(relevant_docs))


class QADataset(Protocol):
    """Protocol of a question-answering dataset: an object with these three mappings."""

    @property
    def queries(self) -> Mapping[str, str]:
        """Question texts by id."""

    @property
    def corpus(self) -> Mapping[str, str]:
        """Document texts by id."""

    @property
    def relevant_docs(self) -> Mapping[str, Iterable[str]]:
        """Ids of the relevant documents by question id."""


def to_retrieval_dataset(dataset: RetrievalDataset | QADataset) -> RetrievalDataset:
    """Return any QA dataset as a RetrievalDataset; a RetrievalDataset itself.

    Raises:
        InvalidDatasetError: If its parts do not fit together.
        TypeError: If it lacks one of `queries`, `corpus`, `relevant_docs`.
    """
    if isinstance(dataset, RetrievalDataset):
        return dataset
    missing = [n for n in ("queries", "corpus", "relevant_docs") if not hasattr(dataset, n)]
    if missing:
        raise TypeError(
            "expected a RetrievalDataset, or an object with queries, corpus and relevant_docs "
            f"as an EmbeddingQAFinetuneDataset; {type(dataset).__name__} lacks {missing}"
        )
    return RetrievalDataset.from_relevant_docs(
        dataset.queries, dataset.corpus, dataset.relevant_docs
    )


def to_indexed_dataset(dataset: "RetrievalDataset | QADataset | Questions") -> RetrievalDataset:
    """Return the questions over their relevant documents, which an index holds.

    Document texts may be missing: ids replace them, because they are not embedded.

    Args:
        dataset: A dataset, of whose corpus only relevant documents are kept; or questions with the
            ids of their relevant documents, as a mapping or as pairs.

    Raises:
        InvalidDatasetError: If its parts do not fit together, or it has another type.
    """
    queries, corpus, qrels = _parts(dataset)
    labelled = dict.fromkeys(document for grades in qrels.values() for document in grades)
    texts = {key: corpus.get(key, key) for key in labelled}
    weights = dataset.weights if isinstance(dataset, RetrievalDataset) else {}
    return RetrievalDataset(queries, texts, qrels, weights)


def _parts(dataset: Any) -> tuple[Texts, Texts, Qrels]:
    if isinstance(dataset, RetrievalDataset):
        return dataset.queries, dataset.corpus, dataset.qrels
    if hasattr(dataset, "relevant_docs"):
        queries, corpus, relevant = dataset.queries, dataset.corpus, dataset.relevant_docs
    else:
        relevant = relevant_docs_of(dataset)
        queries, corpus = {text: text for text in relevant}, {}
    return queries, corpus, _ungraded(relevant)


def _ungraded(relevant_docs: Mapping[str, Iterable[str]]) -> Qrels:
    return {q: dict.fromkeys(listed_ids(q, docs), 1.0) for q, docs in relevant_docs.items()}


def relevant_docs_of(questions: Questions) -> dict[str, list[str]]:
    """Return the ids of the relevant documents by question text; equal questions are merged.

    Raises:
        InvalidDatasetError: If they are neither a mapping nor pairs of a question and its ids.
    """
    relevant: dict[str, list[str]] = {}
    for pair in questions.items() if isinstance(questions, Mapping) else _iterated(questions):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            _refuse_questions(pair)
        text, ids = pair
        listed = [ids] if isinstance(ids, str | int) else list(_iterated(ids))
        if not all(isinstance(key, str | int) for key in listed):
            _refuse_questions(pair)
        relevant.setdefault(text, []).extend(map(str, listed))
    return relevant


def listed_ids(query: str, ids: Iterable[str]) -> list[str]:
    """Return the ids as a list.

    Raises:
        InvalidDatasetError: If they are a single string, whose characters would be taken as ids.
    """
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise InvalidDatasetError(
            f"query {quoted(query)}: expected a list of document ids, got {quoted(ids)}; "
            f"write [{quoted(ids)}] for a single one"
        )
    return list(ids)


def _iterated(found: Any) -> Iterable[Any]:
    return found if isinstance(found, Iterable) else _refuse_questions(found)


def _refuse_questions(found: object) -> NoReturn:
    raise InvalidDatasetError(
        "questions: expected a mapping of question texts to document ids, or pairs of a question "
        f"and its id or ids, got {quoted(found)}; for grades, or ids of questions, give a "
        "RetrievalDataset, which query_adapters.data.load_dataset makes of a table"
    )


def _validate(dataset: RetrievalDataset) -> None:
    queries, corpus, qrels = dataset.queries, dataset.corpus, dataset.qrels
    if not queries:
        raise InvalidDatasetError("the dataset has no queries; expected at least one")
    judged = [(q, d, grade) for q, grades in qrels.items() for d, grade in grades.items()]
    for what, texts in {"queries": queries, "documents": corpus}.items():
        _refuse(f"{what} with {SURROGATES}", unencodable(texts))
    _refuse("queries without text", (q for q, text in queries.items() if _is_blank(text)))
    _refuse("documents without text", (d for d, text in corpus.items() if _is_blank(text)))
    _refuse("judgements of unknown queries", (q for q in qrels if q not in queries))
    _refuse(
        "relevant documents missing from the corpus", (d for _, d, _ in judged if d not in corpus)
    )
    _refuse("queries without a relevant document", (q for q in queries if not qrels.get(q)))
    wrong: list[tuple[str, Any]] = [
        (f"{q} -> {d}: {g}", g) for q, d, g in judged if not is_grade(g)
    ]
    low = [name for name, grade in wrong if isinstance(grade, Real) and not grade > 0]  # type: ignore[operator]
    _refuse("grades that are not above 0", low)
    _refuse("grades that are not finite numbers", (w for w, _ in wrong))


def is_grade(value: object) -> bool:
    """Return whether the value is a valid grade: a finite number above 0."""
    try:
        return bool(0 < value < math.inf) and math.isfinite(value)  # type: ignore[operator,arg-type]
    except (TypeError, ValueError, OverflowError):  # an integer of 401 digits is no float
        return False


def _is_blank(text: object) -> bool:
    return not isinstance(text, str) or not text.strip()


def _refuse(what: str, offenders: Iterable[str]) -> None:
    found = list(dict.fromkeys(offenders))
    if found:
        raise InvalidDatasetError(
            f"{len(found)} {what}: {listed(map(quoted, found))}; expected none, correct or "
            "drop them"
        )
