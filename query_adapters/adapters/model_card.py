"""The model card that is saved beside an adapter."""

import os
from pathlib import Path

from query_adapters.adapters.base import QueryAdapter
from query_adapters.errors import AdapterFileError
from query_adapters.files.reading import read_text

CARD_MARK = "library_name: llama-index-finetune-plugin"


def may_write(card: Path) -> bool:
    """Return whether a model card may be written: a README of another origin is kept."""
    if not os.path.lexists(card):
        return True
    try:
        return CARD_MARK in read_text(card, error=AdapterFileError)
    except (AdapterFileError, OSError):  # a pipe, a folder, another encoding: not ours
        return False


def model_card(adapter: QueryAdapter, base_model: str | None, verdict: str, created: str) -> str:
    """Return the text of the card, in Markdown."""
    model = base_model or "an unnamed embedding model"
    return f"""---
{CARD_MARK}
tags: [query-adapter, retrieval]
---

# Query adapter for {model}

A {adapter.kind} map ({adapter.dim_in} → {adapter.dim_out}) on *query* embeddings; document
vectors stay as they are. Created {created}, fingerprint `{adapter.fingerprint}`.

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


def _bullet_list(block: str) -> str:
    """Return the lines of a block as Markdown, the first one in bold, the others as a list."""
    first, *others = block.splitlines() or [""]
    return "\n".join([f"**{first}**", *([""] if others else []), *(f"- {line}" for line in others)])
