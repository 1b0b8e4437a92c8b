"""The model card that is saved beside an adapter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from query_adapters.adapters.base import QueryAdapter

CARD_MARK = "library_name: llama-index-finetune-plugin"


def may_write(card: Path) -> bool:
    """Return whether a model card may be written: a README of another origin is kept."""
    return not card.exists() or CARD_MARK in card.read_text(encoding="utf-8", errors="replace")


def model_card(
    adapter: QueryAdapter,
    base_model: str | None,
    created: str,
    training: Mapping[str, Any],
) -> str:
    """Return the text of the card, in Markdown, with the verdict and units of the training."""
    verdict = str(training.get("verdict", "not recorded"))
    model = base_model or "an unnamed embedding model"
    return f"""---
{CARD_MARK}
tags: [query-adapter, retrieval]
---

# Query adapter for {model}

A {adapter.kind} map ({adapter.dim_in} → {adapter.dim_out}) on *query* embeddings; document
vectors stay as they are. Created {created}, fingerprint `{adapter.fingerprint}`.
{_labels(training.get("units"))}
## Verdict of its training

{_bullet_list(verdict)}

## Use

```python
from query_adapters import load_adapter

adapter = load_adapter("path/to/this/folder")
adapted = adapter(query_vectors)  # numpy, (n_queries, {adapter.dim_in})
```

In LlamaIndex: `AdapterEmbedding(base_embed_model, "path/to/this/folder")`; in LangChain:
`AdapterEmbeddings(embeddings, "path/to/this/folder")`.

`adapter.json` holds the full training record.
"""


def _labels(units: Mapping[str, Any] | None) -> str:
    """Return what labels were on; nothing where each vector is a document."""
    if units is None:
        return ""
    rule = "given with the vectors" if units["rule"] is None else f"`units={units['rule']!r}`"
    return (
        f"\nLabels were on units ({rule}): {units['units']} units of {units['vectors']} vectors, "
        "each ranked by its best one.\n"
    )


def _bullet_list(block: str) -> str:
    """Return the lines of a block as Markdown, the first one in bold, the others as a list."""
    first, *others = block.splitlines() or [""]
    return "\n".join([f"**{first}**", *([""] if others else []), *(f"- {line}" for line in others)])
