"""Training questions with what each retriever returned for them (extra: train)."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import document_groups, query_groups
from query_adapters.errors import EvaluationWarning, InvalidDatasetError
from query_adapters.evaluation.metrics import Metric
from query_adapters.fusion.pools import PADDING, Pools
from query_adapters.fusion.retrievers.lists import RetrievedList
from query_adapters.fusion.retrievers.scales import Scale
from query_adapters.fusion.retrievers.weights import union, values_of
from query_adapters.fusion.weights import JudgedPools
from query_adapters.training.decision import QuestionGroups
from query_adapters.training.folds import View
from query_adapters.training.guard import answer_groups
from query_adapters.training.out_of_fold import own_and_control_scores
from query_adapters.typing import Rows, Values


@dataclass(frozen=True, kw_only=True, eq=False)
class AskedQuestions:
    """The training questions with the results of each retriever.

    Weights of retrievers have no parameter of a document or a word, so a question about a document
    with training questions says as much as one about another. One fold assignment, by groups of
    linked questions, therefore takes the place of the two views of an adapter.

    Attributes:
        dataset: The questions with their relevant documents.
        names: Name of each retriever, the base first.
        lists: Results of each, in the order of the questions: `lists[retriever][question]`.

    Raises:
        InvalidDatasetError: If a retriever returned nothing for every question, or no relevant
            document is among the results.
    """

    dataset: RetrievalDataset
    names: tuple[str, ...]
    lists: Sequence[Sequence[RetrievedList]]

    def __post_init__(self) -> None:
        for name, lists in zip(self.names, self.lists, strict=True):
            if not any(found.ids for found in lists):
                raise InvalidDatasetError(
                    f"{name}: expected documents for the training questions, got none for any of "
                    f"{len(lists)}; fill its index, or leave the retriever out"
                )
        self._check_ids()

    def _check_ids(self) -> None:
        retrieved = {key for lists in self.lists for found in lists for key in found.ids}
        labelled = self.dataset.labelled_documents
        if retrieved.isdisjoint(labelled):
            raise InvalidDatasetError(
                f"expected relevant documents among the results, got none of {len(labelled)}: ids "
                f"such as {min(retrieved)!r} were retrieved, and {labelled[0]!r} is relevant; use "
                "the same ids in both: build the index with the dataset's, or, in LangChain, name "
                "the metadata key that holds them: id_key"
            )

    @cached_property
    def _row_of(self) -> dict[str, int]:
        everything = [found for lists in self.lists for found in lists]
        ids = dict.fromkeys([*union(everything), *self.dataset.labelled_documents])
        return {key: row for row, key in enumerate(ids)}

    @cached_property
    def relevant(self) -> tuple[Rows, ...]:
        """Rows of the relevant documents of each question."""
        qrels = self.dataset.qrels
        return tuple(self._rows(list(qrels[query])) for query in self.dataset.queries)

    @cached_property
    def grades(self) -> tuple[Values, ...]:
        """Their grades, in the same order."""
        qrels = self.dataset.qrels
        return tuple(np.array([*qrels[query].values()], float) for query in self.dataset.queries)

    @cached_property
    def groups(self) -> QuestionGroups:
        """Which questions are not independent."""
        return QuestionGroups(
            wording=query_groups(self.dataset),
            answer=answer_groups(self.relevant),
            linked=document_groups(self.dataset),
        )

    @cached_property
    def held_out(self) -> Rows:
        """A number per question, equal for those that are held out together, `(n_queries,)`."""
        return self.groups.held_out(self.view.name)

    @property
    def view(self) -> View:
        """The only view: questions about other documents."""
        return View(name="unseen", fold_of=np.empty((0, len(self.relevant)), np.int64), weight=1.0)

    def ranking(self, retriever: int, *, k: int) -> Rows:
        """Return what one retriever returned, `(n_queries, k)`; where there are fewer, -1."""
        ranking = np.full((len(self.relevant), k), PADDING)
        for row, found in enumerate(self.lists[retriever]):
            best = self._rows(found.ids[:k])
            ranking[row, : len(best)] = best
        return ranking

    def scores(self, retriever: int, *, metric: str) -> Values:
        """Return the metric of one retriever on own and control answers, `(2, n_queries)`."""
        ranking = self.ranking(retriever, k=Metric.parse(metric).k)
        return own_and_control_scores(ranking, self, metric)

    def warn_if_short(self, metric: str) -> None:
        """Warn if the base returns fewer documents than the metric counts.

        Other retrievers would then gain by adding documents alone. There is no warning if it
        returns every document that any of them does.
        """
        k, longest = Metric.parse(metric).k, max(len(found.ids) for found in self.lists[0])
        everything = {key for lists in self.lists for found in lists for key in found.ids}
        if longest < min(k, len(everything)):
            warnings.warn(
                f"{metric}: expected {k} documents of {self.names[0]}, got at most {longest}, so "
                "that other retrievers gain by adding documents alone; let it return more "
                "(search_kwargs={'k': 50} in LangChain, similarity_top_k=50 in LlamaIndex), or "
                "choose a metric with a smaller cut-off",
                EvaluationWarning,
                stacklevel=2,
            )

    def scales(self) -> tuple[Scale, ...]:
        """Return the scale of each retriever."""
        return tuple(Scale.of(lists) for lists in self.lists)

    def pools(self, scales: Sequence[Scale]) -> JudgedPools:
        """Return the union of the results of each question, with the values of each retriever."""
        of_question = list(zip(*self.lists, strict=True))
        unions = [union(lists) for lists in of_question]
        shape = (len(unions), max(map(len, unions)))
        rows, values = np.full(shape, PADDING), np.zeros((*shape, len(scales)))
        for query, (ids, lists) in enumerate(zip(unions, of_question, strict=True)):
            rows[query, : len(ids)] = self._rows(ids)
            values[query, : len(ids)] = values_of(ids, lists, scales)
        pools = Pools(rows, values[..., 0], values[..., 1:])
        return JudgedPools.of(pools, self.relevant, self.grades, self.view.weight)

    def _rows(self, ids: Sequence[str]) -> Rows:
        return np.array([self._row_of[key] for key in ids], dtype=np.int64)
