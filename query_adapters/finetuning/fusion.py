"""Engines that learn how much each of several retrievers counts; for both integrations."""

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from query_adapters._extras import require_extra
from query_adapters.data.dataset import RetrievalDataset, to_indexed_dataset
from query_adapters.data.weights import check_unweighted
from query_adapters.finetuning.base import FinetuneEngine
from query_adapters.finetuning.options import AnyQuestions, known
from query_adapters.fusion.retrievers.lists import Ask
from query_adapters.fusion.retrievers.weights import names_of
from query_adapters.typing import Guard

if TYPE_CHECKING:  # the classes below name them in strings, which ruff does not read
    from query_adapters.finetuning.asking import Asking, SelectionRun
    from query_adapters.fusion.retrievers.hybrid_weight import HybridWeightResult  # noqa: F401
    from query_adapters.fusion.retrievers.training import FusionWeightsResult  # noqa: F401

ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class ComparisonOptions(TypedDict, total=False):
    """How candidates are compared.

    Attributes:
        metric: Metric that candidates are compared on; "ndcg@10" by default.
        guard: When a candidate replaces the base: as in `TrainerOptions`.
        seed: Seed of the splits and the test; 0 by default.
        model_output_path: Folder of the result; "model_output" by default.
        verbose: Whether to show a progress bar; False by default.
    """

    metric: str
    guard: Guard
    seed: int
    model_output_path: str | Path
    verbose: bool


class RetrieverFusionEngine(FinetuneEngine["FusionWeightsResult"]):
    """Learns the weights of any retrievers from their scores and ranks alone.

    Each retriever is asked every training question once. A weight says how much the score of a
    retriever counts beside that of the base, each on a common scale (`Scale`). Unless a gain over
    the base alone can be shown, the other weights are 0, and `result.verdict` states it.

    A retriever that was trained on these questions, such as a model with an adapter, ranks them
    better than new ones, so it would get too much weight: give it questions that it was not
    trained on.

    Args:
        dataset: Training questions with the ids of their relevant documents.
        retrievers: The retrievers, the base first.
        ask: Returns how to ask one of them.
        names: Their names; by default those of their classes.
        **options: As in `ComparisonOptions`.

    Raises:
        InvalidDatasetError: If the parts of the dataset do not fit together.
        MissingExtraError: If the extra `train` is not installed.
        TypeError: If an argument is not of an expected type, or unknown.
        ValueError: If there are fewer than two retrievers, names recur, or a setting is out of
            range.
    """

    _otherwise = "load weights that are there already with WeightedFusionRetriever.load"

    def __init__(
        self,
        dataset: AnyQuestions,
        retrievers: Sequence[object],
        ask: Callable[[Any], Ask],
        *,
        names: Sequence[str] | None = None,
        **options: Unpack[ComparisonOptions],
    ) -> None:
        require_extra("train")
        from query_adapters.finetuning.asking import (
            FusionFinetuner,  # needs scipy; serving must not
        )

        self._names = names_of(retrievers, names)
        asks = [ask(retriever) for retriever in retrievers]
        asking, settings = _parts(_equal(dataset), self._names, asks, options)
        self._finetuner = FusionFinetuner(asking=asking, settings=settings)

    def finetune(self) -> None:
        """Ask every retriever each question, learn the weights, and save them.

        After an error of a retriever, the next call asks only what is missing.

        Raises:
            InvalidDatasetError: If a retriever returns nothing for every question, or no relevant
                document is among the results.
            InvalidVectorsError: If a score is not finite.
        """
        super().finetune()


class HybridWeightEngine(FinetuneEngine["HybridWeightResult"]):
    """Chooses the weight of a store's own hybrid query, by asking with each weight.

    Nothing is fitted. Unless a gain over `base_alpha` can be shown, `result.alpha` is
    `base_alpha`, and `result.verdict` states it.

    Args:
        dataset: Training questions with the ids of their relevant documents.
        ask_at: Returns how to ask with a weight.
        alphas: The weights to compare.
        base_alpha: The weight that is served today; it is compared as well.
        **options: As in `ComparisonOptions`.

    Raises:
        InvalidDatasetError: If the parts of the dataset do not fit together.
        MissingExtraError: If the extra `train` is not installed.
        TypeError: If an argument is unknown.
        ValueError: If a weight is not finite, there is none beside `base_alpha`, or a setting is
            out of range.
    """

    _otherwise = "use the weight that an earlier run recorded in hybrid_weight.json"

    def __init__(
        self,
        dataset: AnyQuestions,
        ask_at: Callable[[float], Ask],
        *,
        alphas: Iterable[float] = ALPHAS,
        base_alpha: float,
        **options: Unpack[ComparisonOptions],
    ) -> None:
        require_extra("train")
        from query_adapters.finetuning.asking import (
            HybridWeightFinetuner,  # needs scipy; serving must not
        )

        compared = _checked_alphas(alphas, base_alpha)
        asks = [ask_at(alpha) for alpha in compared]
        names = tuple(f"alpha {alpha!r}" for alpha in compared)
        asking, settings = _parts(_equal(dataset), names, asks, options)
        self._finetuner = HybridWeightFinetuner(asking=asking, alphas=compared, settings=settings)

    def finetune(self) -> None:
        """Ask each question with every weight, and choose one.

        After an error of the store, the next call asks only what is missing.

        Raises:
            InvalidDatasetError: If a weight returns nothing for every question, or no relevant
                document is among the results.
            InvalidVectorsError: If a score is not finite.
        """
        super().finetune()


def _parts(
    dataset: RetrievalDataset,
    names: tuple[str, ...],
    asks: Sequence[Ask],
    options: ComparisonOptions,
) -> "tuple[Asking, SelectionRun]":
    from query_adapters.finetuning.asking import Asking, SelectionRun

    settings = known(options, ComparisonOptions)
    verbose = settings.pop("verbose", False)
    output = Path(settings.pop("model_output_path", "model_output"))
    asking = Asking(dataset=dataset, names=names, asks=asks, show_progress=verbose)
    return asking, SelectionRun(output=output, **settings)


def _checked_alphas(alphas: Iterable[float], base_alpha: float) -> tuple[float, ...]:
    """Return the distinct weights, that of the base first."""
    compared = tuple(dict.fromkeys([float(base_alpha), *map(float, alphas)]))
    if len(compared) < 2 or not all(map(isfinite, compared)):
        raise ValueError(
            f"alphas: expected finite weights beside base_alpha {base_alpha}, got {compared[1:]}"
        )
    return compared


def _equal(dataset: AnyQuestions) -> RetrievalDataset:
    return check_unweighted(to_indexed_dataset(dataset), "weights of retrievers")
