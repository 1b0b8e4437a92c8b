"""The upgrade engine of the core; each integration subclasses it for its own types."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from query_adapters._extras import require_extra
from query_adapters.data.dataset import RetrievalDataset, to_indexed_dataset
from query_adapters.data.weights import check_unweighted
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.two_models import Served
from query_adapters.errors import NotFinetunedError
from query_adapters.finetuning.base import FinetuneEngine
from query_adapters.finetuning.options import (
    AnyQuestions,
    Memory,
    TrainerOptions,
    known,
    ranked_by,
    tuples,
)
from query_adapters.finetuning.probe import checked_probe
from query_adapters.stores import LiveIndex, read_blocks
from query_adapters.stores.origin import PROBES
from query_adapters.upgrade.plan import Prices, UpgradePlan
from query_adapters.upgrade.texts import drawn, texts_of

if TYPE_CHECKING:
    from query_adapters.upgrade.result import UpgradeResult  # noqa: F401 (in a string)

N_TEXTS = 5_000
MAX_DOCUMENTS = 50_000
MAX_QUESTIONS = 2_500  # more make the comparison slow, and hardly surer


class UpgradeOptions(TrainerOptions, total=False):
    """Keyword-only arguments that the upgrade engine of every integration takes.

    Attributes:
        n_texts: The most stored texts to embed with the new model besides those that are relevant
            to a question, a random sample; 5,000 by default.
        max_loss: Loss of the metric, 0..1, that is accepted to replace the old model by the new
            one, such as a cheaper one; 0 by default.
        texts: Texts by document id, where the store does not return them.
        price_per_million_tokens: Price of the new model, for the cost in `plan` and the verdict; by
            default its list price, if it is known.
        old_price_per_million_tokens: Price of the old model, for the cost of questions.
        max_documents: The most stored vectors to read besides those that are relevant to a
            question; 50,000 by default.
        memory: As in `RunOptions`.
        device: As in `AdapterTrainer`, for what is learned from questions; "cpu" by default.
        cache_path: As in `RunOptions`.
        probe_text: As in `RunOptions`; without questions, a stored text is the default.
        verbose: Whether to show progress bars; False by default.
    """

    n_texts: int
    max_loss: float
    texts: Mapping[str, str] | None
    price_per_million_tokens: float | None
    old_price_per_million_tokens: float | None
    max_documents: int
    memory: Memory
    device: str
    cache_path: str | Path | None
    probe_text: str | None
    verbose: bool


class UpgradeEngine(FinetuneEngine["UpgradeResult"]):
    """Serves an index with another embedding model than the one that built it.

    A map from the new model's vectors into the space of the stored ones, the bridge, is fitted on
    a sample of stored texts. With labelled questions, adapters are learned on top of it, on the old
    model and on both models side by side; all of them and an estimate of embedding the whole index
    again are compared.
    Constructing the engine reads the index and embeds at most three texts, with the old model;
    `plan` states what `finetune()` will embed.

    Args:
        index: The index.
        new: The new model.
        model_output_path: Folder of the adapter.
        old: The model that built the index; None if it cannot be called any more.
        dataset: Labelled questions with the ids of their relevant documents; of more than 2,500, a
            random sample is used.
        **options: As in `UpgradeOptions`.

    Raises:
        AdapterMismatchError: If `old` did not build the index.
        InvalidDatasetError: If relevant documents or texts are not in the index.
        InvalidVectorsError: If the index is empty.
        MissingExtraError: If the extra `train` is not installed.
        TypeError: If an argument is unknown.
        ValueError: If a setting is out of range.
    """

    def __init__(
        self,
        index: LiveIndex,
        new: TextEmbedder,
        *,
        model_output_path: str | Path,
        old: TextEmbedder | None = None,
        dataset: AnyQuestions | None = None,
        **options: Unpack[UpgradeOptions],
    ) -> None:
        require_extra("train")
        from query_adapters.training import AdapterTrainer, memories_of
        from query_adapters.upgrade.upgrader import ModelUpgrader  # needs scipy; serving must not

        rest = known(options, UpgradeOptions)
        n_texts, given = rest.pop("n_texts", N_TEXTS), rest.pop("texts", None)
        price = rest.pop("price_per_million_tokens", None)
        old_price = rest.pop("old_price_per_million_tokens", None)
        max_loss = rest.pop("max_loss", 0.0)
        max_documents = rest.pop("max_documents", MAX_DOCUMENTS)
        verbose, cache_path = rest.pop("verbose", False), rest.pop("cache_path", None)
        probe_text = checked_probe(rest.pop("probe_text", ...))
        memories = memories_of(rest.pop("memory", "auto"))
        seed = rest.get("seed", 0)
        trainer = AdapterTrainer(
            memories=memories,
            device=rest.pop("device", "cpu"),
            show_progress=verbose,
            **ranked_by(index.source.similarity, tuples(rest)),
        )
        questions = None
        if dataset is not None:
            asked = check_unweighted(to_indexed_dataset(dataset), "ModelUpgradeEngine")
            questions = _sampled(asked, seed)
        labelled = list(questions.corpus) if questions else _first_ids(index)
        stored = index.read(labelled, embedder=old, max_documents=max_documents, seed=seed)
        self._finetuner = ModelUpgrader(
            index=stored,
            texts=texts_of(index, drawn(stored, labelled, n_texts, seed), given),
            new=new,
            old=old,
            questions=questions,
            trainer=trainer,
            prices=Prices(new=price, old=old_price),
            max_loss=max_loss,
            output=Path(model_output_path),
            cache_path=None if cache_path is None else Path(cache_path),
            probe_text=probe_text,
            show_progress=verbose,
        )
        self._plan = self._finetuner.plan

    def _folder_of(self, models: Served) -> Path:
        """Return the folder of the adapter for these models.

        Raises:
            NotFinetunedError: If `finetune()` has not run, or without the models or labels for it.
        """
        if models not in self.result.adapters:
            saved = ", ".join(map(repr, self.result.adapters))
            raise NotFinetunedError(
                f"expected an adapter for {models!r}, got one for {saved} alone; give the engine "
                "the old model and labelled questions"
            )
        return self._saved_folder if models == "new" else self._saved_folder / models

    @property
    def plan(self) -> UpgradePlan:
        """What `finetune()` will embed with the new model, and its cost; embeds nothing."""
        return self._plan


def _sampled(questions: RetrievalDataset, seed: int) -> RetrievalDataset:
    ids = list(questions.queries)
    if len(ids) <= MAX_QUESTIONS:
        return questions
    rows = np.random.default_rng(seed).choice(len(ids), MAX_QUESTIONS, replace=False)
    return to_indexed_dataset(questions.select(ids[row] for row in sorted(rows)))


def _first_ids(index: LiveIndex) -> list[str]:
    keys, _ = next(read_blocks(index.source, name=index.name))
    return list(keys[:PROBES])
