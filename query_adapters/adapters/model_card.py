"""The model card that is saved beside an adapter."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from query_adapters.adapters.base import QueryAdapter
from query_adapters.errors import AdapterFileError
from query_adapters.files.reading import read_text
from query_adapters.text.markup import markdown_text

CARD_MARK = "library_name: llama-index-finetune-plugin"
SHOWN_LINES, SHOWN_LINE = 40, 1_000  # lines of a verdict, and their characters


def may_write(card: Path) -> bool:
    """Return whether a model card may be written: a README of another origin is kept."""
    if not os.path.lexists(card):
        return True
    try:
        return CARD_MARK in read_text(card, error=AdapterFileError)
    except (AdapterFileError, OSError):  # a pipe, a folder, another encoding: not ours
        return False


def model_card(
    adapter: QueryAdapter,
    base_model: str | None,
    created: str,
    training: Mapping[str, Any],
) -> str:
    """Return the text of the card, in Markdown, with the verdict and units of the training.

    What is not the card's own is shown as text.
    """
    verdict = str(training.get("verdict", "not recorded"))
    model = markdown_text(base_model or "an unnamed embedding model")
    kind, when = markdown_text(adapter.kind), markdown_text(created)
    return f"""---
{CARD_MARK}
tags: [query-adapter, retrieval]
---

# Query adapter for {model}

A {kind} map ({adapter.dim_in} → {adapter.dim_out}) on *query* embeddings; document
vectors stay as they are. Created {when}, fingerprint `{adapter.fingerprint}`.
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


def _labels(units: object) -> str:
    """Return what labels were on; nothing where each vector is a document."""
    if not isinstance(units, Mapping):
        return ""
    rule = units.get("rule")
    made = "given with the vectors" if rule is None else f"units={rule!r}"
    counts = f"{units.get('units')} units of {units.get('vectors')} vectors"
    said = f"Labels were on units ({made}): {counts}, each ranked by its best one."
    return f"\n{markdown_text(said)}\n"


def _bullet_list(block: str) -> str:
    """Return the lines of a block as Markdown, the first one in bold, the others as a list."""
    lines = [line for line in block.splitlines() if line.strip()][:SHOWN_LINES] or ["not recorded"]
    first, *others = (markdown_text(line, SHOWN_LINE) for line in lines)
    return "\n".join([f"**{first}**", *([""] if others else []), *(f"- {line}" for line in others)])
