"""Test that no text is embedded twice, even if a process dies."""

import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.vector_file import TABLE
from query_adapters.errors import (
    DimensionMismatchError,
    EmbeddingCacheError,
    InvalidDatasetError,
    InvalidVectorsError,
    ProviderRefusedError,
)

TEXTS = [f"text {i}" for i in range(10)]
EMBED = """
from query_adapters.embedders.cache import EmbeddingCache
path, first, last, after, then = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
embedder = FakeEmbedder(batch_size=3, after=after, then=then)
texts = [f"text {i}" for i in range(first, last)]
vectors = EmbeddingCache(path).embed_documents(embedder, texts)
assert all((v == embedder.vector("document", t)).all() for v, t in zip(vectors, texts, strict=True))
print(len(embedder.embedded("document")))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "cache.sqlite"


def n_stored(path: Path) -> int:
    connection = sqlite3.connect(path)
    (count,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    connection.close()
    return int(count)


def expected(embedder: Any, role: str, texts: list[str]) -> list[list[float]]:
    return [embedder.vector(role, text).tolist() for text in texts]


@given(
    known=st.lists(st.sampled_from(TEXTS)),
    asked=st.lists(st.sampled_from(TEXTS), min_size=1),
    batch_size=st.integers(1, 12),
)
@settings(max_examples=30, deadline=None)
def test_each_text_is_embedded_once_and_comes_back_in_its_place(
    known: list[str],
    asked: list[str],
    batch_size: int,
    make_embedder: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    embedder = make_embedder(batch_size=batch_size)
    cache = EmbeddingCache(tmp_path_factory.mktemp("cache") / "cache.sqlite")
    cache.embed_queries(embedder, known)
    vectors = cache.embed_queries(embedder, asked)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == expected(embedder, "query", asked)
    assert sorted(embedder.embedded("query")) == sorted({*known, *asked})
    assert max(len(texts) for _, texts in embedder.calls) <= batch_size


def test_batches_are_as_large_as_the_model_likes_them(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    embedder = make_embedder(batch_size=4)
    EmbeddingCache(path).embed_documents(embedder, TEXTS)
    assert [len(texts) for _, texts in embedder.calls] == [4, 4, 2]
    assert embedder.embedded("document") == TEXTS


def test_a_batch_of_questions_is_small_whatever_the_model_likes(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    texts = [f"text {i}" for i in range(100)]
    embedder = make_embedder(batch_size=1_000, after=1)
    with pytest.raises(ConnectionError):
        EmbeddingCache(path).embed_queries(embedder, texts)
    assert n_stored(path) == 64
    embedder = make_embedder(batch_size=1_000)
    EmbeddingCache(path).embed_documents(embedder, texts)
    assert [len(texts) for _, texts in embedder.calls] == [100]


def test_without_a_file_nobody_asks_for_an_identity(make_embedder: Callable[..., Any]) -> None:
    embedder = make_embedder()
    untold: Any = SimpleNamespace(
        model_name="m", batch_size=4, embed_documents=embedder.embed_documents
    )
    vectors = EmbeddingCache().embed_documents(untold, TEXTS)
    assert vectors.tolist() == expected(embedder, "document", TEXTS)


def test_an_error_says_what_is_kept_and_where(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    with pytest.raises(ConnectionError) as kept:
        EmbeddingCache(path).embed_documents(make_embedder(after=1), TEXTS)
    assert kept.value.__notes__ == [
        f"4 of 10 document texts are kept in {path}: run again to go on"
    ]
    with pytest.raises(ConnectionError) as lost:
        EmbeddingCache().embed_documents(make_embedder(after=1), TEXTS)
    assert not hasattr(lost.value, "__notes__")


class Refused(Exception):  # noqa: N818
    """An SDK error for a response with an error status."""

    def __init__(self, status: int) -> None:
        self.status_code = status
        super().__init__("Incorrect API key provided: sk-do-not-tell")


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, ProviderRefusedError), (403, PermissionError), (404, Refused), (429, Refused)],
)
def test_a_refused_key_is_named_and_not_told(
    status: int, error: type[Exception], make_embedder: Callable[..., Any], path: Path
) -> None:
    embedder = make_embedder()

    def refuse(texts: list[str]) -> None:
        raise Refused(status)

    embedder.embed_queries = refuse
    with pytest.raises(error) as caught:
        EmbeddingCache(path).embed_queries(embedder, TEXTS)
    if isinstance(caught.value, ProviderRefusedError):
        assert caught.value.status == status
        assert f"the provider of 'fake' refused the key (HTTP {status})" in str(caught.value)
        assert "sk-do-not-tell" not in str(caught.value)


def test_another_object_on_the_same_file_asks_for_nothing(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    first, second = make_embedder(), make_embedder()
    vectors = EmbeddingCache(path).embed_queries(first, TEXTS)
    again = EmbeddingCache(str(path)).embed_queries(second, TEXTS[::-1])
    assert again.tobytes() == vectors[::-1].tobytes()
    assert second.calls == []


def test_more_texts_than_one_statement_may_name_are_all_found(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    texts = [f"text {i}" for i in range(1_201)]
    embedder = make_embedder(batch_size=1_000, dim=2)
    first = EmbeddingCache(path).embed_queries(embedder, texts)
    assert EmbeddingCache(path).embed_queries(embedder, texts).tobytes() == first.tobytes()
    assert len(embedder.embedded("query")) == 1_201


def test_a_text_asked_for_again_in_another_statement_is_no_damaged_one(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    texts = [f"text {i}" for i in range(600)]
    embedder = make_embedder(batch_size=1_000, dim=2)
    EmbeddingCache(path).embed_queries(embedder, texts)
    vectors = EmbeddingCache(path).embed_queries(embedder, [*texts, *texts[:9]])
    assert vectors[600:].tolist() == vectors[:9].tolist()
    assert len(embedder.embedded("query")) == 600


def test_a_question_never_gets_the_vector_of_a_document(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    embedder, cache = make_embedder(), EmbeddingCache(path)
    cache.embed_documents(embedder, TEXTS)
    assert cache.embed_queries(embedder, TEXTS).tolist() == expected(embedder, "query", TEXTS)
    assert cache.embed_documents(embedder, TEXTS).tolist() == expected(embedder, "document", TEXTS)
    assert len(embedder.calls) == 6


def test_two_models_in_one_file_do_not_mix_even_at_different_dimensions(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    cache = EmbeddingCache(path)
    models = [make_embedder(identity="a/1"), make_embedder(identity="a/2", dim=3)]
    for _ in range(2):
        for model in models:
            vectors = cache.embed_queries(model, TEXTS)
            assert vectors.tolist() == expected(model, "query", TEXTS)
    assert [len(model.embedded("query")) for model in models] == [10, 10]


def test_without_a_file_duplicates_of_one_call_are_still_embedded_once(
    make_embedder: Callable[..., Any],
) -> None:
    embedder = make_embedder()
    vectors = EmbeddingCache().embed_queries(embedder, ["a", "b", "a"])
    assert embedder.embedded("query") == ["a", "b"]
    assert vectors[0].tolist() == vectors[2].tolist() != vectors[1].tolist()


def test_no_texts_are_no_vectors_and_no_call(make_embedder: Callable[..., Any], path: Path) -> None:
    embedder = make_embedder()
    assert EmbeddingCache(path).embed_queries(embedder, []).shape == (0, 0)
    assert embedder.calls == []


def test_texts_themselves_are_not_in_the_file(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    EmbeddingCache(path).embed_queries(make_embedder(), ["my mother's maiden name"])
    assert b"maiden" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("nan", "expected finite numbers, got NaN or infinity in row 2"),
        ("count", r"expected shape \(3, dim\), got \(2, 8\)"),
    ],
)
def test_a_bad_batch_is_refused_and_those_before_it_are_kept(
    then: str, message: str, make_embedder: Callable[..., Any], path: Path
) -> None:
    broken = make_embedder(batch_size=3, after=2, then=then)
    with pytest.raises(InvalidVectorsError, match=f"query vectors.*{message}"):
        EmbeddingCache(path).embed_queries(broken, TEXTS)
    assert n_stored(path) == 6
    whole = make_embedder(batch_size=3)
    vectors = EmbeddingCache(path).embed_queries(whole, TEXTS)
    assert vectors.tolist() == expected(whole, "query", TEXTS)
    assert whole.embedded("query") == TEXTS[6:]


def test_vectors_that_change_their_length_under_one_name_are_refused(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    with pytest.raises(DimensionMismatchError, match="use another cache file") as caught:
        EmbeddingCache(path).embed_queries(make_embedder(after=1, then="dim"), TEXTS)
    assert (caught.value.expected, caught.value.actual) == (8, 9)


def test_an_error_of_the_provider_comes_through_and_costs_nothing_that_was_finished(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    with pytest.raises(ConnectionError, match="hung up"):
        EmbeddingCache(path).embed_queries(make_embedder(after=2), TEXTS)
    embedder = make_embedder()
    EmbeddingCache(path).embed_queries(embedder, TEXTS)
    assert embedder.embedded("query") == TEXTS[8:]


@pytest.mark.parametrize("n_batches", [0, 2])
def test_a_process_killed_in_a_batch_loses_that_batch_alone(
    n_batches: int,
    make_embedder: Callable[..., Any],
    run_python: Callable[..., CompletedProcess[str]],
    path: Path,
) -> None:
    killed = run_python(EMBED, path, 0, 10, n_batches, "kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    embedder = make_embedder(batch_size=3)
    vectors = EmbeddingCache(path).embed_documents(embedder, TEXTS)
    assert embedder.embedded("document") == TEXTS[3 * n_batches :]
    assert vectors.tolist() == expected(embedder, "document", TEXTS)


@pytest.mark.slow
def test_processes_write_to_one_file_at_once_and_nothing_is_lost(
    make_embedder: Callable[..., Any], start_python: Callable[..., Popen[str]], path: Path
) -> None:
    spans = [(0, 90), (60, 150), (120, 210)]
    writers = [start_python(EMBED, path, first, last, 999, "fail") for first, last in spans]
    for writer in writers:
        stderr = writer.communicate(timeout=60)[1]
        assert writer.returncode == 0, stderr
    embedder = make_embedder()
    texts = [f"text {i}" for i in range(210)]
    vectors = EmbeddingCache(path).embed_documents(embedder, texts)
    assert vectors.tolist() == expected(embedder, "document", texts)
    assert embedder.calls == []


def test_a_new_file_that_another_process_is_writing_to_is_waited_for(
    make_embedder: Callable[..., Any], path: Path
) -> None:
    path.parent.mkdir()
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute(TABLE)
    done = threading.Timer(0.2, writer.execute, ["COMMIT"])
    done.start()
    EmbeddingCache(path).embed_queries(make_embedder(), TEXTS)
    done.join()
    writer.close()
    assert n_stored(path) == 10


def test_progress_is_shown_only_if_asked_for(
    make_embedder: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    EmbeddingCache().embed_queries(make_embedder(), TEXTS)
    assert capsys.readouterr() == ("", "")
    EmbeddingCache().embed_queries(make_embedder(), TEXTS, show_progress=True)
    assert "Embedding query texts: 100%" in capsys.readouterr().err


def test_a_text_that_no_provider_can_be_sent_is_refused_before_any_is_embedded(
    make_embedder: Callable[..., Any], tmp_path: Path
) -> None:
    embedder = make_embedder()
    cache = EmbeddingCache(tmp_path / "cache.sqlite")
    with pytest.raises(InvalidDatasetError, match=r"1 query texts .*: number 1, from 0"):
        cache.embed_queries(embedder, ["fine", "half \ud83d"])
    assert embedder.calls == []


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_path_that_no_file_can_have_is_refused_before_a_call(
    name: str, make_embedder: Callable[..., Any], tmp_path: Path
) -> None:
    embedder = make_embedder()
    for path in (tmp_path / name, tmp_path / name / "cache.db"):
        with pytest.raises(EmbeddingCacheError, match="expected the name of a file"):
            EmbeddingCache(path).embed_queries(embedder, ["a"])
    assert not embedder.calls
