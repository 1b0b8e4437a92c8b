"""Read a folder of PDF, Markdown and text files as nodes with stable ids."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core import SimpleDirectoryReader
from llama_index.core.node_parser import NodeParser, SentenceSplitter
from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import BaseNode, Document, NodeRelationship, RelatedNodeInfo

from query_adapters._extras import require_extra
from query_adapters.generation.prompts import digest

logger = logging.getLogger(__name__)

FORMATS = (".md", ".pdf", ".txt")
NEIGHBOURS = (NodeRelationship.PREVIOUS, NodeRelationship.NEXT)


class PdfPages(BaseReader):
    """Reads a PDF file as one document a page (extra: pdf)."""

    def load_data(
        self, file: Path, extra_info: dict[str, Any] | None = None, **_: Any
    ) -> list[Document]:
        """Return the pages that hold text, numbered from 1 in `page_label`."""
        require_extra("pdf")
        from pypdf import PdfReader

        pages = enumerate(PdfReader(file).pages, start=1)
        texts = {number: page.extract_text() for number, page in pages}
        return [
            Document(text=text, metadata={**(extra_info or {}), "page_label": str(number)})
            for number, text in texts.items()
            if text.strip()
        ]


def read_folder(
    folder: str | Path,
    *,
    splitter: NodeParser | None = None,
    formats: Sequence[str] = FORMATS,
) -> list[BaseNode]:
    """Return the chunks of all files in a folder, including its subfolders.

    A node's id is a hash of the file's path within the folder, the page, the position on it and the
    text, so that unchanged files keep their ids, also in another folder. Files without text are
    skipped and logged.

    Args:
        folder: Read by LlamaIndex's `SimpleDirectoryReader`.
        splitter: Splits files into chunks; by default `SentenceSplitter()`.
        formats: Extensions of the files to read.

    Raises:
        ValueError: If there is no such folder, or no such file in it.
        MissingExtraError: If there are PDF files and pypdf is not installed.
    """
    folder = Path(os.path.realpath(folder))  # `resolve` fails on a loop of links
    reader = SimpleDirectoryReader(
        str(folder),
        recursive=True,
        required_exts=list(formats),
        file_extractor={".pdf": PdfPages()},
        file_metadata=lambda path: {"file_name": _relative(path, folder)},
        raise_on_error=True,
    )
    documents = [document for document in reader.load_data() if _holds_text(document)]
    for document in documents:
        document.id_ = _place(document)
    nodes = (splitter or SentenceSplitter()).get_nodes_from_documents(documents)
    return _with_stable_ids(nodes)


def page_ranges(nodes: Sequence[BaseNode], *, n_pages: int | None = None) -> dict[str, str]:
    """Return the source of each node by node id, for `split_by_document(sources=)`.

    Args:
        nodes: From `read_folder`.
        n_pages: Number of consecutive pages that form one source; by default a whole file.
    """
    return {node.node_id: _source(node, n_pages) for node in nodes}


def _holds_text(document: Document) -> bool:
    if document.text.strip():
        return True
    logger.warning("%s holds no text: skipped", _place(document))
    return False


def _relative(path: str, folder: Path) -> str:
    return Path(os.path.realpath(path)).relative_to(folder).as_posix()


def _place(node: BaseNode) -> str:
    page = node.metadata.get("page_label", "")
    return f"{node.metadata['file_name']}{f'#{page}' if page else ''}"


def _source(node: BaseNode, n_pages: int | None) -> str:
    name, page = node.metadata["file_name"], node.metadata.get("page_label")
    if n_pages is None or page is None:
        return str(name)
    return f"{name}#{(int(page) - 1) // n_pages}"


def _with_stable_ids(nodes: list[BaseNode]) -> list[BaseNode]:
    counts: dict[str, int] = {}
    renamed: dict[str, str] = {}
    for node in nodes:
        place = _place(node)
        counts[place] = counts.get(place, -1) + 1
        renamed[node.node_id] = digest(place, str(counts[place]), node.get_content())
    for node in nodes:
        node.id_ = renamed[node.node_id]
        for neighbour in NEIGHBOURS:
            known = node.relationships.get(neighbour)
            if isinstance(known, RelatedNodeInfo):
                known.node_id = renamed[known.node_id]
    return nodes
