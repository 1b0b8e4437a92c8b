"""Test that a cache file is checked: its rows, what it is, and whether it can be written."""

import os
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.embedders import vector_file
from query_adapters.embedders.cache import EmbeddingCache, vector_key
from query_adapters.errors import (
    DimensionMismatchError,
    EmbeddingCacheError,
    QueryAdaptersWarning,
)
from tests.faults import at_once, largest_file, put

TEXTS = [f"text {number}" for number in range(6)]
KEY = vector_key("fake/1", "query", TEXTS[0])
GOOD = np.ones(8, dtype="<f4")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


def execute(path: Path, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def embed(path: Path, embedder: Any, texts: list[str] = TEXTS) -> None:
    vectors = EmbeddingCache(path).embed_queries(embedder, texts)
    assert vectors.tolist() == [embedder.vector("query", text).tolist() for text in texts]


BAD_VALUES = {
    "NaN": np.full(8, np.nan, dtype="<f4").tobytes(),
    "infinite": np.full(8, np.inf, dtype="<f4").tobytes(),
    "one infinite": np.array([*[1.0] * 7, -np.inf], dtype="<f4").tobytes(),
    "7 bytes": b"1234567",
    "no bytes": b"",
    "other dimension": np.ones(4, dtype="<f4").tobytes(),
    "text": "1, 2, 3, 4",
    "text of the right length": "a" * 32,
    "null": None,
    "number": 7,
    "real": 0.5,
}


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_row_is_embedded_again_with_one_warning(
    value: object, make_embedder: Callable[..., Any], path: Path
) -> None:
    embed(path, make_embedder())
    execute(path, "UPDATE vectors SET vector = ? WHERE key = ?", value, KEY)
    embedder = make_embedder()
    with pytest.warns(QueryAdaptersWarning, match="1 stored vectors are damaged") as caught:
        embed(path, embedder)
    assert len(caught) == 1
    assert embedder.embedded("query") == [TEXTS[0]]
    embed(path, broken := make_embedder(after=0))
    assert broken.calls == []


def test_a_text_that_is_not_utf_8_is_a_bad_row_too(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    embed(path, make_embedder())
    execute(path, "UPDATE vectors SET vector = CAST(x'fffe4142' AS TEXT)")
    with pytest.warns(QueryAdaptersWarning, match="6 stored vectors"):
        embed(path, make_embedder())


@given(value=st.binary(max_size=80))
@settings(max_examples=25, deadline=None)
def test_whatever_a_row_holds_the_vectors_are_finite_and_of_one_length(
    value: bytes, make_embedder: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cache") / "cache.sqlite"
    cache, embedder = EmbeddingCache(path), make_embedder()
    cache.embed_queries(embedder, TEXTS)
    execute(path, "UPDATE vectors SET vector = ? WHERE key = ?", value, KEY)
    with np.errstate(all="raise"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vectors = cache.embed_queries(embedder, TEXTS)
    assert vectors.shape == (6, 8)
    assert np.isfinite(vectors).all()
    assert len(caught) <= 1


def test_vectors_of_another_length_by_a_failed_run_do_not_poison_the_file(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    with pytest.raises(DimensionMismatchError):
        EmbeddingCache(path).embed_queries(make_embedder(dim=4, after=1, then="dim"), TEXTS)
    assert execute(path, "SELECT count(*), length(vector) FROM vectors") == [(4, 16)]
    embedder = make_embedder()
    with pytest.warns(QueryAdaptersWarning, match="have 4 dimensions, and the model's have 8"):
        embed(path, embedder)
    assert sorted(embedder.embedded("query")) == TEXTS
    embed(path, healed := make_embedder())
    assert healed.calls == []


def test_rows_of_several_lengths_are_told_apart_by_the_most_frequent_one(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    embed(path, make_embedder())
    small = np.ones(4, dtype="<f4").tobytes()
    execute(path, "UPDATE vectors SET vector = ? WHERE key = ?", small, KEY)
    with pytest.warns(QueryAdaptersWarning, match="1 stored vectors"):
        embed(path, make_embedder())


def no_database(path: Path) -> None:
    path.write_bytes(b"this is no database, but a text of some length" * 100)


def damaged_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    path.write_bytes(content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def other_program(path: Path) -> None:
    path.unlink()
    execute(path, "CREATE TABLE embeddings (id TEXT, document TEXT)")


def other_columns(path: Path) -> None:
    path.unlink()
    execute(path, "CREATE TABLE vectors (id INTEGER PRIMARY KEY, embedding BLOB)")


def trigger(path: Path) -> None:
    execute(path, "CREATE TRIGGER t AFTER INSERT ON vectors BEGIN DELETE FROM vectors; END")


def view(path: Path) -> None:
    path.unlink()
    execute(path, "CREATE VIEW vectors AS SELECT x'00' AS key, x'00' AS vector")


def newer(path: Path) -> None:
    execute(path, "PRAGMA user_version = 2")


UNUSABLE = {
    "no database": (no_database, "it is no SQLite database"),
    "damaged pages": (damaged_pages, "it is (damaged|no SQLite database)"),
    "truncated": (truncated, "it is damaged"),
    "other program": (other_program, "of another program"),
    "other columns": (other_columns, "of another program"),
    "trigger": (trigger, "of another program"),
    "view": (view, "of another program"),
    "newer": (newer, "of a newer version"),
}


@pytest.mark.parametrize(("spoil", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_is_no_cache_is_named_before_anything_is_paid(
    spoil: Callable[[Path], None],
    message: str,
    make_embedder: Callable[..., Any],
    path: Path,
) -> None:
    embed(path, make_embedder(dim=400), [f"text {number}" for number in range(40)])
    spoil(path)
    before, embedder = path.read_bytes(), make_embedder()
    with pytest.raises(EmbeddingCacheError, match=rf"cache\.sqlite: .*{message}.*name another"):
        EmbeddingCache(path).embed_queries(embedder, [*TEXTS, "one that is not stored"])
    assert embedder.calls == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "socket", "link loop"])
@pytest.mark.parametrize("suffix", ["", "-journal", "-wal"])
def test_what_is_no_file_is_refused_at_once(
    kind: str, suffix: str, make_embedder: Callable[..., Any], path: Path
) -> None:
    put(kind, path.with_name(path.name + suffix))
    embedder = make_embedder()
    with at_once(), pytest.raises(EmbeddingCacheError, match=r"cache\.sqlite"):
        EmbeddingCache(path).embed_queries(embedder, TEXTS)
    assert embedder.calls == []


def test_a_link_to_a_cache_is_followed(make_embedder: Callable[..., Any], path: Path) -> None:
    path.symlink_to(real := path.with_name("real.sqlite"))
    embed(path, make_embedder())
    assert path.is_symlink()
    embed(real, again := make_embedder())
    assert again.calls == []


def test_a_folder_that_cannot_be_made_is_named(
    make_embedder: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    embedder = make_embedder()
    with pytest.raises(EmbeddingCacheError, match=r"file/cache\.sqlite"):
        EmbeddingCache(tmp_path / "file" / "cache.sqlite").embed_queries(embedder, TEXTS)
    assert embedder.calls == []


@pytest.mark.parametrize("more", [0, 4_000, 12_000])
def test_a_full_disk_is_found_before_anything_is_paid(
    more: int, make_embedder: Callable[..., Any], path: Path
) -> None:
    embed(path, make_embedder(dim=256))
    texts = [f"other {number}" for number in range(40)]
    embedder = make_embedder(dim=256)
    with (
        largest_file(path.stat().st_size + more),
        pytest.raises(EmbeddingCacheError, match="room"),
    ):
        EmbeddingCache(path).embed_queries(embedder, texts)
    assert embedder.calls == []
    embed(path, kept := make_embedder(dim=256))
    assert kept.calls == []
    embed(path, embedder, texts)


def test_a_disk_that_becomes_full_meanwhile_loses_one_batch(
    make_embedder: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_file, "_room", lambda path: 1 << 40)
    texts = [f"text {number}" for number in range(400)]
    with largest_file(300_000), pytest.raises(EmbeddingCacheError, match="room on"):
        EmbeddingCache(path).embed_documents(make_embedder(dim=256, batch_size=50), texts)
    (row,) = execute(path, "SELECT count(*) FROM vectors")
    assert row[0] % 50 == 0
    embedder = make_embedder(dim=256, batch_size=50)
    EmbeddingCache(path).embed_documents(embedder, texts)
    assert len(embedder.embedded("document")) == 400 - row[0] < 400


def test_a_file_that_another_process_has_locked_is_named(
    make_embedder: Callable[..., Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_file, "PATIENCE", 0.1)
    embed(path, make_embedder())
    embedder = make_embedder()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(EmbeddingCacheError, match="another process has locked it"):
            EmbeddingCache(path).embed_queries(embedder, ["new"])
    assert embedder.calls == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_may_not_be_written_serves_what_it_holds(
    what: str, make_embedder: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "folder" / "cache.sqlite"
    embed(path, make_embedder())
    (path if what == "file" else path.parent).chmod(0o400 if what == "file" else 0o500)
    embedder = make_embedder()
    embed(path, embedder)
    with pytest.raises(EmbeddingCacheError, match="allow this user to write"):
        EmbeddingCache(path).embed_queries(embedder, ["new"])
    path.parent.chmod(0o700)
    assert embedder.calls == []


def test_a_cache_that_is_replaced_while_it_is_used_gets_the_rest(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    embedder = make_embedder(batch_size=2)
    embed_queries = embedder.embed_queries

    def replacing(texts: list[str]) -> Any:
        path.unlink(missing_ok=True)
        return embed_queries(texts)

    embedder.embed_queries = replacing
    embed(path, embedder)
    assert execute(path, "SELECT count(*) FROM vectors") == [(2,)]


def test_files_that_a_killed_process_left_beside_it_are_taken_up(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    embed(path, make_embedder())
    path.with_name(f"{path.name}-wal").write_bytes(b"garbage" * 100)
    path.with_name(f"{path.name}-journal").write_bytes(b"garbage" * 100)
    embed(path, kept := make_embedder())
    assert kept.calls == []
