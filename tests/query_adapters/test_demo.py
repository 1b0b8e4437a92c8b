"""Tests of the demo's data and model, which are included in the package."""

from pathlib import Path

import pytest

from query_adapters._extras import MODULE_OF
from query_adapters.demo import packaged_model, read_dataset, write_word_model
from query_adapters.errors import MissingExtraError


def test_the_dataset_is_as_large_as_asked_for_and_fits_together() -> None:
    few, all_of_it = read_dataset(n_queries=30), read_dataset()
    assert len(few.queries) == 30
    assert len(few.corpus) == 2 * len(few.labelled_documents)
    assert set(few.queries.items()) < set(all_of_it.queries.items())
    assert len(all_of_it.corpus) > 2000
    assert all(text.startswith(name) for name, text in few.corpus.items())


def test_the_model_is_a_folder_of_sentence_transformers(minilm: str) -> None:
    assert packaged_model() == minilm
    assert (Path(minilm) / "modules.json").is_file()


def test_the_word_model_knows_words_and_not_their_order(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = write_word_model(tmp_path / "words")
    model = SentenceTransformer(folder, device="cpu")
    ordered, turned, other = model.encode(["dog bites man", "man bites dog", "read a file"])
    assert ordered @ turned > 0.99 > ordered @ other  # word order has a small effect
    assert folder == str(tmp_path / "words")


def test_without_its_extra_the_model_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULE_OF, "demo", "no_such_module")
    with pytest.raises(MissingExtraError, match=r"plugin\[demo\]"):
        packaged_model()
    with pytest.raises(MissingExtraError, match=r"plugin\[demo\]"):
        write_word_model("words")
