"""Array and mapping aliases; the letters of a shape mean the same in every docstring.

`n_queries`, `n_documents`: numbers of rows; `dim`: length of one vector; `depth`: number of ranked
documents that are kept.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Embeddings, one a row: `(n, dim)`; a single one: `(dim,)`."""

Rows = NDArray[np.int64]
"""Indices into the rows of a matrix."""

Values = NDArray[np.float64]
"""One number per query, `(n_queries,)`, unless the docstring says otherwise."""

Texts = Mapping[str, str]
"""Texts by id."""

Qrels = Mapping[str, Mapping[str, float]]
"""Relevance judgements: query id -> {document id: grade > 0}."""

Run = Mapping[str, Sequence[str]]
"""Retrieved document ids, best first, by query id."""

ScoredRun = Mapping[str, Mapping[str, float]]
"""Scores of retrieved documents, in any order: query id -> {document id: score}."""

Guard = Literal["strict", "expected", "off"]
"""When a trained adapter replaces the base: after a proven gain, a likely one, or always."""

Similarity = Literal["cosine", "dot", "euclidean"]
"""What a vector store ranks by; "euclidean" ranks the nearest document first."""
