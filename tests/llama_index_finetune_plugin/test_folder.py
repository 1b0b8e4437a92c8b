"""Test that reading a folder returns nodes with stable ids that do not depend on its path."""

import shutil
from pathlib import Path

import pytest
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, NodeRelationship

from llama_index_finetune_plugin.folder import page_ranges, read_folder
from llama_index_finetune_plugin.generation import texts_of

SENTENCES = " ".join(f"This is sentence number {i} of a long text." for i in range(60))


def pdf_with(*pages: str) -> bytes:
    """Return a minimal PDF file with one line of text per page."""
    kids = " ".join(f"{3 + 2 * i} 0 R" for i in range(len(pages)))
    font = "/Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Courier >> >> >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
    ]
    for i, text in enumerate(pages):
        drawn = f"BT /F 12 Tf 10 10 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 500 50] {font} "
            f"/Contents {4 + 2 * i} 0 R >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    content, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        f"{content}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    ).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "more").mkdir(parents=True)
    (folder / "a.md").write_text(f"# A\n\n{SENTENCES}", encoding="utf-8")
    (folder / "more" / "a.md").write_text("Another file of that name.", encoding="utf-8")
    (folder / "report.pdf").write_bytes(pdf_with("Page one.", "Page two.", "Page three."))
    (folder / "image.png").write_bytes(b"no text")
    return folder


def read(folder: Path) -> list[BaseNode]:
    return read_folder(folder, splitter=SentenceSplitter(chunk_size=200, chunk_overlap=0))


@pytest.mark.slow
def test_ids_are_the_same_on_every_run_and_in_another_place(folder: Path, tmp_path: Path) -> None:
    first = texts_of(read(folder))
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert texts_of(read(tmp_path / "elsewhere")) == texts_of(read(folder)) == first
    assert {"Page one.", "Page two.", "Page three."} <= {text.strip() for text in first.values()}
    assert len(first) >= 7


def test_a_file_that_changes_changes_no_id_of_another(folder: Path) -> None:
    before = set(texts_of(read(folder)))
    (folder / "more" / "a.md").write_text("Other words.", encoding="utf-8")
    after = set(texts_of(read(folder)))
    assert len(before - after) == len(after - before) == 1


def test_neighbours_are_known_by_their_new_ids(folder: Path) -> None:
    nodes = [node for node in read(folder) if node.metadata["file_name"] == "a.md"]
    following = [node.next_node.node_id for node in nodes[:-1] if node.next_node]
    assert following == [node.node_id for node in nodes[1:]]
    assert {node.ref_doc_id for node in nodes} == {"a.md"}
    assert all(NodeRelationship.SOURCE in node.relationships for node in nodes)


def test_sources_are_files_or_ranges_of_pages(folder: Path) -> None:
    nodes = read(folder)
    assert set(page_ranges(nodes).values()) == {"a.md", "more/a.md", "report.pdf"}
    ranges = page_ranges(nodes, n_pages=2)
    pages = {
        n.metadata["page_label"]: ranges[n.node_id] for n in nodes if "page_label" in n.metadata
    }
    assert pages == {"1": "report.pdf#0", "2": "report.pdf#0", "3": "report.pdf#1"}


def test_a_folder_without_such_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No files found"):
        read_folder(tmp_path)


def test_files_without_text_are_skipped_and_named(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = texts_of(read(folder))
    (folder / "empty.txt").touch()
    (folder / "more" / "blank.md").write_text(" \n\n", encoding="utf-8")
    assert texts_of(read(folder)) == before
    own = [r for r in caplog.records if r.name == "llama_index_finetune_plugin.folder"]
    assert [record.message for record in own] == [
        "empty.txt holds no text: skipped",
        "more/blank.md holds no text: skipped",
    ]
