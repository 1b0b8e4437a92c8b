"""Files of a lexical index; `lexical.json` names the folder that holds the others.

    lexical.json        format, tokenizer, formula, counts, sizes and checksums of the files
    data-<number>/      ids.json, tokens.json and the arrays as .npy files

A save writes a new data folder and then replaces `lexical.json`, so that a reader finds either the
old index or the new one. Pickles are neither read nor written.
"""

import re
import zlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from query_adapters.files.reading import STREAM_BYTES, open_file
from query_adapters.lexical.counts import TokenCounts
from query_adapters.lexical.postings import Formula
from query_adapters.lexical.tokenizer import Tokenizer
from query_adapters.typing import Vectors

FORMAT_VERSION = 1
RECORD = "lexical.json"
DATA = re.compile(r"data-[0-9a-f]{32}")
READ_AT_ONCE = 1 << 20
ARRAYS = {
    "starts": "int64",
    "rows": "int32",
    "counts": "unsigned",
    "weights": "float32",
    "lengths": "int32",
    "digests": "uint64",
}
"""Names and types of the arrays."""


@dataclass(frozen=True, eq=False)
class StoredIndex:
    """The content of a lexical index.

    Attributes:
        counts: The documents and the counts of their tokens.
        weights: The BM25 score of each count, `(n_postings,)`.
        tokenizer: Splits texts and questions.
        formula: Parameters of BM25.
    """

    counts: TokenCounts
    weights: Vectors
    tokenizer: Tokenizer
    formula: Formula

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by their names in `ARRAYS`."""
        counts, postings = self.counts, self.counts.postings
        return {
            "starts": postings.starts,
            "rows": postings.rows,
            "counts": postings.counts,
            "weights": self.weights,
            "lengths": counts.lengths,
            "digests": counts.digests,
        }


def checksum_of(path: Path) -> int:
    """Return the CRC-32 of a file."""
    checksum = 0
    with open_file(path, error=ValueError, limit=STREAM_BYTES) as file:
        while part := file.read(READ_AT_ONCE):
            checksum = zlib.crc32(part, checksum)
    return checksum


def stemmer_version(tokenizer: Tokenizer) -> str | None:
    """Return the version of the stemmer that is installed, None if the tokenizer uses none."""
    return None if tokenizer.language is None else version("PyStemmer")
