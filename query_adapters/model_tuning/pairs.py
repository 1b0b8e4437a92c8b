"""Convert training questions to the rows that sentence-transformers trains on."""

from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import mine_hard_negatives

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.model_tuning.models import DOCUMENT_PROMPTS, QUERY_PROMPTS, prompt_of
from query_adapters.model_tuning.settings import TowerSettings

MARGIN = 0.05  # a negative must score at least this much below the positive, relative to it


def pairs(dataset: RetrievalDataset, *, use_all_docs: bool) -> Dataset:
    """Return a row for each question and relevant document: `anchor`, `positive`."""
    rows = [
        (text, dataset.corpus[document])
        for query, text in dataset.queries.items()
        for document in list(dataset.qrels[query])[: None if use_all_docs else 1]
    ]
    return Dataset.from_dict(
        {"anchor": [row[0] for row in rows], "positive": [row[1] for row in rows]}
    )


def with_negatives(
    rows: Dataset, dataset: RetrievalDataset, base: SentenceTransformer, settings: TowerSettings
) -> Dataset | dict[str, Dataset]:
    """Return the rows with a column `negative`, one row for each mined negative.

    Negatives are the documents that the base ranks highest among those whose score is a margin
    below the relevant document's. Pairs without such a document stay as they are.

    Source: Moreira et al., NV-Retriever (2024), 3.2 (TopK-PercPos) for the margin.
    """
    mined = mine_hard_negatives(
        rows,
        base,
        corpus=list(dict.fromkeys(dataset.corpus.values())),
        num_negatives=settings.hard_negatives,
        relative_margin=MARGIN,
        query_prompt=prompt_of(base, QUERY_PROMPTS) or None,
        corpus_prompt=prompt_of(base, DOCUMENT_PROMPTS) or None,
        output_format="triplet",
        verbose=False,
    )
    found = set(zip(mined["anchor"], mined["positive"], strict=True))
    bare = [row for row in rows if (row["anchor"], row["positive"]) not in found]
    if not found:
        return rows
    return {"mined": mined, "pairs": Dataset.from_list(bare)} if bare else mined


def numbered(dataset: RetrievalDataset) -> Dataset:
    """Return a row for each question: `anchor` and, as `label`, its position in the dataset."""
    texts = list(dataset.queries.values())
    return Dataset.from_dict({"anchor": texts, "label": list(range(len(texts)))})
