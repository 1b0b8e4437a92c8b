"""The inputs that break a reader: the smallest of each failure is kept in the corpus."""

import hashlib
import sys
import traceback
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
LARGEST = 4_000  # bytes of an input that is kept


class Found:
    """The distinct failures of readers, each with its smallest input."""

    def __init__(self) -> None:
        self.smallest: dict[tuple[str, str], bytes] = {}

    def add(self, name: str, content: bytes, error: BaseException) -> None:
        """Remember the input, unless a smaller one has the same failure."""
        key = (name, signature(error))
        if key not in self.smallest or len(content) < len(self.smallest[key]):
            self.smallest[key] = content

    def keep(self) -> int:
        """Print every failure and write its input to the corpus; return how many there are."""
        for (name, where), content in self.smallest.items():
            sys.stdout.write(f"{name}: {where}\n    {content[:150]!r}\n")
            if len(content) <= LARGEST:
                folder = CORPUS / name.replace(" ", "_")
                folder.mkdir(parents=True, exist_ok=True)
                (folder / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)
        return len(self.smallest)


def signature(error: BaseException) -> str:
    """Return the kind of the error, and where in this package it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/query_adapters/" in frame.filename]
    last = own[-1] if own else frames[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno} {last.line}"
