"""Ask retrievers the training questions, learn their weights, and save (extra: train)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from tqdm.auto import tqdm

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.evaluation.metrics import Metric
from query_adapters.fusion.retrievers.hybrid_weight import HybridWeightResult, choose_weight
from query_adapters.fusion.retrievers.lists import Ask, RetrievedList
from query_adapters.fusion.retrievers.questions import AskedQuestions
from query_adapters.fusion.retrievers.storage import save_weights, write_json
from query_adapters.fusion.retrievers.training import (
    FusionWeightsResult,
    learn_weights,
    record_of,
)
from query_adapters.typing import Guard

ALPHA_FILE = "hybrid_weight.json"


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Asks several retrievers the training questions.

    Results are kept in memory: after an error, the next call asks only what is missing.

    Args:
        dataset: The questions; equal texts are asked once.
        names: Name of each retriever, the base first.
        asks: Asks each retriever.
        show_progress: Whether to show a progress bar.
    """

    dataset: RetrievalDataset
    names: tuple[str, ...]
    asks: Sequence[Ask]
    show_progress: bool = False
    _found: dict[tuple[str, str], RetrievedList] = field(default_factory=dict, repr=False)

    def asked(self) -> AskedQuestions:
        """Return the questions with all results.

        Raises:
            InvalidDatasetError: As `AskedQuestions`.
            InvalidVectorsError: If a score is not finite.
            Exception: Whatever a retriever raises, with a note that names it and the question.
        """
        texts = list(self.dataset.queries.values())
        missing = [
            (name, ask, text)
            for text in dict.fromkeys(texts)
            for name, ask in zip(self.names, self.asks, strict=True)
            if (name, text) not in self._found
        ]
        for name, ask, text in tqdm(missing, "Retrieving", disable=not self.show_progress):
            self._found[name, text] = self._asked(name, ask, text)
        lists = [[self._found[name, text] for text in texts] for name in self.names]
        return AskedQuestions(dataset=self.dataset, names=self.names, lists=lists)

    def _asked(self, name: str, ask: Ask, text: str) -> RetrievedList:
        try:
            return ask(text)
        except Exception as error:
            error.add_note(
                f"raised by the retriever {name!r} for the question {text!r}; the results so far "
                "are kept, so call finetune() again to resume"
            )
            raise


@dataclass(frozen=True, kw_only=True)
class SelectionRun:
    """How candidates are compared, and where the result is saved.

    Attributes:
        output: The folder.
        metric: Metric that candidates are compared on.
        guard: How sure a gain must be.
        seed: Seed of the splits and the test.

    Raises:
        NotADirectoryError: If the output folder is a file.
        UnknownMetricError: If the metric is unknown.
        ValueError: If the guard is unknown or the seed below 0.
    """

    output: Path
    metric: str = "ndcg@10"
    guard: Guard = "strict"
    seed: int = 0

    def __post_init__(self) -> None:
        Metric.parse(self.metric)
        if self.guard not in get_args(Guard):
            raise ValueError(f"guard: expected one of {get_args(Guard)}, got {self.guard!r}")
        if self.seed < 0:
            raise ValueError(f"seed: expected at least 0, got {self.seed}")
        if self.output.exists() and not self.output.is_dir():
            raise NotADirectoryError(f"expected a folder, got the file {self.output}")


@dataclass(frozen=True, kw_only=True)
class FusionFinetuner:
    """Learns the weights of several retrievers; the engines of both integrations run it.

    Attributes:
        asking: The questions and the retrievers.
        settings: How candidates are compared.
    """

    asking: Asking
    settings: SelectionRun

    @property
    def output(self) -> Path:
        """Folder of the weights."""
        return self.settings.output

    def run(self) -> FusionWeightsResult:
        """Return the weights, saved in the output folder."""
        settings = self.settings
        result = learn_weights(
            self.asking.asked(),
            metric=settings.metric,
            guard=settings.guard,
            seed=settings.seed,
        )
        save_weights(result.weights, self.output, record=record_of(result))
        return result


@dataclass(frozen=True, kw_only=True)
class HybridWeightFinetuner:
    """Chooses the weight of a hybrid query; the engines of both integrations run it.

    Attributes:
        asking: The questions, asked with each weight.
        alphas: The weights, that of the base first.
        settings: How they are compared.
    """

    asking: Asking
    alphas: tuple[float, ...]
    settings: SelectionRun

    @property
    def output(self) -> Path:
        """Folder of the record."""
        return self.settings.output

    def run(self) -> HybridWeightResult:
        """Return the weight; it is recorded in the output folder, with the verdict."""
        settings = self.settings
        result = choose_weight(
            self.asking.asked(),
            self.alphas,
            metric=settings.metric,
            guard=settings.guard,
            seed=settings.seed,
        )
        means = {f"{alpha:g}": mean for alpha, mean in result.means.items()}
        record = {"alpha": result.alpha, "means": means, **result.verdict.to_record()}
        write_json(record, self.output, ALPHA_FILE)
        return result
