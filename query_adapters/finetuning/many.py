"""Fine-tune adapters for many datasets at once: embed, train, save (extra: train)."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any, Unpack

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.data.weights import check_unweighted
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import own_name
from query_adapters.errors import InvalidDatasetError
from query_adapters.finetuning.adapter import CACHE_FILE, library_versions
from query_adapters.finetuning.options import (
    Memory,
    TrainerOptions,
    check_flags,
    known,
    ranked_by,
    tuples,
)
from query_adapters.finetuning.probe import NEUTRAL_PROBE, ProbeText, checked_probe, embedded_probe
from query_adapters.finetuning.search_space import SearchSpace
from query_adapters.stores import StoredVectors
from query_adapters.stores.reader import Index, gathered
from query_adapters.stores.unit_labels import check_labels
from query_adapters.training import AdapterTrainer, memories_of
from query_adapters.training.many.decision import ManyResult
from query_adapters.training.many.tenant import Tenant
from query_adapters.training.many.trainer import train_many
from query_adapters.typing import Similarity, Vectors

SHARED_FOLDER = "shared"
Probe = tuple[str | None, Vectors | None]
UNSAFE = re.compile(r"[^\w.-]+")


def finetune_many(
    datasets: Mapping[str, QADataset | RetrievalDataset],
    embedder: TextEmbedder,
    *,
    model_output_path: str | Path,
    indexes: Mapping[str, Index] | None = None,
    memory: Memory = "auto",
    cache_path: str | Path | None = None,
    probe_text: str | EllipsisType | None = ...,
    dim: int | None = None,
    bias: bool = True,
    device: str = "cpu",
    verbose: bool = False,
    **training: Unpack[TrainerOptions],
) -> ManyResult:
    """Return adapters for many tenants, languages or collections, each in a folder of its own.

    `train_many` says how they are learned. Tenant `name` is saved to `model_output_path/name`, with
    characters other than letters, digits, "_", "-" and "." replaced by "_"; the map for tenants
    without questions is saved to `model_output_path/shared`.

    Args:
        datasets: Training questions of each tenant, by name.
        embedder: The base model of all tenants.
        model_output_path: Folder of the adapters.
        indexes: Indexes that tenants search, by name, as in `AdapterFinetuneEngine`; a tenant
            without one searches the documents of its dataset.
        memory: As in `RunOptions`.
        cache_path: As in `ManyOptions`.
        probe_text: As in `ManyOptions`.
        dim: Length of the model's vectors, checked on the first question.
        bias: As in `AdapterTrainer`.
        device: As in `AdapterTrainer`. Fits of single tenants are small: the CPU is often faster.
        verbose: Whether to show progress bars.
        **training: As in `TrainerOptions`. `n_jobs` tenants are trained at once.

    Raises:
        InvalidDatasetError: If there are fewer than two tenants, two have one folder, or an index
            is not a tenant's or holds none of its labelled documents.
        TypeError: If an argument is not of an expected type, or unknown.
        ValueError: If a setting is out of range.
    """
    check_flags(bias=bias, verbose=verbose)
    settings = tuples(known(training, TrainerOptions))
    output = Path(model_output_path)
    stored = {name: gathered(index) for name, index in (indexes or {}).items()}
    run = _Run(
        datasets={
            name: check_unweighted(to_retrieval_dataset(given), f"finetune_many, {name}")
            for name, given in datasets.items()
        },
        embedder=embedder,
        output=output,
        indexes=stored,
        cache_path=Path(cache_path or output / CACHE_FILE),
        probe_text=checked_probe(probe_text),
        dim=dim,
        show_progress=verbose,
    )
    trainer = AdapterTrainer(
        memories=memories_of(memory),
        bias=bias,
        device=device,
        show_progress=verbose,
        **ranked_by(_common_similarity(stored.values()), settings),
    )
    return run(trainer)


def tenant_folder(output: str | Path, name: str) -> Path:
    """Return the folder of the tenant's adapter in the folder of all."""
    return Path(output) / (UNSAFE.sub("_", name).lstrip(".") or "_")


def _common_similarity(indexes: Iterable[StoredVectors]) -> Similarity | None:
    stated = sorted({index.similarity for index in indexes if index.similarity is not None})
    if len(stated) > 1:
        raise ValueError(
            f"similarity: expected indexes that rank alike, got {' and '.join(stated)}; train "
            "those of each kind apart"
        )
    return stated[0] if stated else None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """Datasets of all tenants, and where their adapters go; arguments as in `finetune_many`."""

    datasets: Mapping[str, RetrievalDataset]
    embedder: TextEmbedder
    output: Path
    indexes: Mapping[str, StoredVectors]
    cache_path: Path
    probe_text: ProbeText
    dim: int | None
    show_progress: bool

    def __post_init__(self) -> None:
        if len(self.datasets) < 2:
            raise InvalidDatasetError(
                f"expected datasets of at least two tenants, got {len(self.datasets)}; train a "
                "single one with an adapter engine"
            )
        unknown = sorted(self.indexes.keys() - self.datasets.keys())
        if unknown:
            raise InvalidDatasetError(
                f"indexes: expected names of datasets, got {unknown[0]!r}; correct the name, or "
                "add its questions"
            )
        self._check_folders()

    def _check_folders(self) -> None:
        names = [SHARED_FOLDER, *(tenant_folder("", name).name for name in self.datasets)]
        folder, count = Counter(name.casefold() for name in names).most_common(1)[0]
        if count > 1:
            raise InvalidDatasetError(
                f"expected a folder of its own for each tenant and for the shared map, got {count} "
                f"names for {folder!r}; rename a dataset"
            )

    def __call__(self, trainer: AdapterTrainer) -> ManyResult:
        """Return the result, saved."""
        spaces = {name: self._space(name) for name in self.datasets}
        tenants = [
            Tenant(
                name=name,
                data=spaces[name].embedded(dataset),
                seen_share=spaces[name].seen_share(dataset),
            )
            for name, dataset in self.datasets.items()
        ]
        # a question of one tenant is nothing that others may read
        shared_probe = self._probe(NEUTRAL_PROBE)
        result = train_many(tenants, trainer)
        common = {"similarity": trainer.similarity, "libraries": library_versions()}
        for tenant in result.tenants:
            question = next(iter(self.datasets[tenant.name].queries.values()))
            folder = tenant_folder(self.output, tenant.name)
            self._save(tenant.adapter, tenant.to_record() | common, self._probe(question), folder)
        record = result.shared.to_record(trainer.metric) | common
        self._save(result.shared.served, record, shared_probe, self.output / SHARED_FOLDER)
        return result

    def _space(self, name: str) -> SearchSpace:
        index = self.indexes.get(name)
        space = SearchSpace(
            index=index,
            embedder=self.embedder,
            cache_path=self.cache_path,
            dim=self.dim,
            show_progress=self.show_progress,
        )
        if index is not None and not space.shares_labels(self.datasets[name]):
            raise InvalidDatasetError(
                f"index of {name!r}: expected documents that are relevant to its questions, got "
                "none; use the ids of the index as labels"
            )
        if index is not None and index.units is not None:
            check_labels(self.datasets[name].labelled_documents, index.unit_of, name="index")
        return space

    def _probe(self, question: str) -> Probe:
        cache = EmbeddingCache(self.cache_path)
        return embedded_probe(self.probe_text, question, embedder=self.embedder, cache=cache)

    def _save(
        self, adapter: QueryAdapter, training: Mapping[str, Any], probe: Probe, folder: Path
    ) -> None:
        text, vector = probe
        name = own_name(self.embedder.model_name)
        record = AdapterRecord(base_model=name, probe_text=text, training=training)
        save_adapter(SavedAdapter(adapter=adapter, record=record, probe_vector=vector), folder)
