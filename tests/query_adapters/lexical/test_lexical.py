"""Tests of the lexical index: known values, other implementations, updates, files, bad input."""

import json
import math
import os
import pickle
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.errors import (
    InvalidDatasetError,
    LexicalIndexError,
    LexicalIndexWarning,
    MissingExtraError,
)
from query_adapters.lexical import LexicalIndex, Tokenizer, collecting, loading, postings, saving
from query_adapters.lexical.matching import best_rows

PLAIN = Tokenizer()
TEXTS = {
    "ferry": "the ferry leaves the harbour at nine",
    "fish": "fish may be caught in the harbour",
    "cat": "cat cat cat",
    "nothing": "",
    "price": "a ticket for the ferry costs 1,200 yen",
}
CORPORA = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.lists(st.sampled_from("abcdefgh"), max_size=12).map(" ".join),
    min_size=1,
    max_size=12,
)
QUESTIONS = st.lists(st.sampled_from("abcdefghxy"), max_size=6).map(" ".join)


def block(texts: Mapping[str, str]) -> tuple[list[str], list[str]]:
    return list(texts), list(texts.values())


def built(texts: Mapping[str, str], **options: Any) -> LexicalIndex:
    return LexicalIndex.build([block(texts)], **({"tokenizer": PLAIN} | options))


def naive(question: str, texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> list[float]:
    """Return BM25 scores, straight from the formula."""
    split = [PLAIN(text) for text in texts]
    average = sum(map(len, split)) / len(split)
    scores = [0.0] * len(split)
    for token in PLAIN(question):
        n_with = sum(token in words for words in split)
        idf = math.log(1 + (len(split) - n_with + 0.5) / (n_with + 0.5))
        for row, words in enumerate(split):
            if count := Counter(words)[token]:
                scores[row] += idf * count / (count + k1 * (1 - b + b * len(words) / average))
    return scores


def vector(index: LexicalIndex, question: str) -> dict[str, float]:
    return dict(zip(index.ids, index.match(question).scores.tolist(), strict=True))


class TestScores:
    def test_of_two_documents_are_those_computed_by_hand(self) -> None:
        index = built({"one": "cat", "two": "cat dog dog"})  # mean length 2
        cat, dog = math.log(1 + 0.5 / 2.5), math.log(1 + 1.5 / 1.5)
        one = cat * 1 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2))
        two = cat * 1 / (1 + 1.2 * (0.25 + 0.75 * 3 / 2))
        two += dog * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
        match = index.match("cat dog bird")
        np.testing.assert_allclose(match.scores, [one, two], rtol=1e-6)
        assert match.scores.dtype == np.float32
        assert match.highest == pytest.approx(two)

    def test_count_a_repeated_word_of_the_question_twice(self) -> None:
        index = built(TEXTS)
        once, twice = index.match("ferry").scores, index.match("ferry ferry").scores
        np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)

    @given(CORPORA, QUESTIONS, st.sampled_from([0.0, 0.9, 1.2]), st.sampled_from([0.0, 0.75, 1]))
    def test_equal_the_formula(
        self, texts: dict[str, str], question: str, k1: float, b: float
    ) -> None:
        scores = built(texts, k1=k1, b=b).match(question).scores
        np.testing.assert_allclose(
            scores, naive(question, list(texts.values()), k1, b), rtol=1e-5, atol=1e-7
        )
        assert (scores >= 0).all()

    def test_equal_those_of_bm25s(self) -> None:
        rng = np.random.default_rng(0)
        words = [f"w{rank}" for rank in range(300)]
        texts = {
            f"d{row}": " ".join(words[r] for r in (300 ** rng.random(30)).astype(int) - 1)
            for row in range(200)
        }
        other: Any = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        other.index([PLAIN(text) for text in texts.values()], show_progress=False)
        index = built(texts)
        for question in ("w0 w1 w17", "w5 w5 w120 w299", "w250"):
            known = [token for token in PLAIN(question) if token in other.vocab_dict]
            np.testing.assert_allclose(
                index.match(question).scores, other.get_scores(known), rtol=2e-6, atol=1e-7
            )

    @given(CORPORA, QUESTIONS)
    def test_of_a_text_equal_those_of_the_document_that_holds_it(
        self, texts: dict[str, str], question: str
    ) -> None:
        match = built(texts).match(question)
        np.testing.assert_allclose(
            match.of_texts(list(texts.values())), match.scores, rtol=1e-6, atol=1e-7
        )

    def test_of_a_text_count_a_word_that_the_index_lacks_as_the_rarest(self) -> None:
        match = built(TEXTS).match("zx900 cat")
        new, held = match.of_texts(["zx900 zx900 zx900", "cat cat cat"])
        assert new > held == pytest.approx(match.highest)

    def test_of_ids_are_exact_and_nan_for_ids_that_the_index_lacks(self) -> None:
        match = built(TEXTS).match("the ferry")
        found = match.of(["price", "gone", "nothing", "price"])
        assert found.dtype == np.float32
        expected = dict(zip(TEXTS, match.scores, strict=True))
        np.testing.assert_array_equal(found, [expected["price"], np.nan, 0, expected["price"]])
        assert match.of([]).shape == match.of_texts([]).shape == (0,)

    def test_are_zero_for_a_question_without_a_known_word(self) -> None:
        for question in ("", "?!", "submarine"):
            match = built(TEXTS).match(question)
            assert match.highest == 0
            assert match.top(3)[0] == []
            assert match.of(["fish"]).tolist() == match.of_texts(["fish"]).tolist() == [0]

    def test_are_zero_where_no_text_has_a_word(self) -> None:
        match = built({"a": "", "b": "..."}).match("a word")
        assert match.scores.tolist() == [0, 0]
        assert np.isfinite(match.of_texts(["a word", ""])).all()


class TestTop:
    def test_holds_the_best_first_and_only_documents_with_a_word(self) -> None:
        ids, scores = built(TEXTS).match("ferry ticket").top(5)
        assert ids == ["price", "ferry"]
        assert scores[0] > scores[1] > 0

    def test_orders_equal_scores_by_position(self) -> None:
        index = built({f"d{row}": "same text" for row in (3, 1, 2, 0)} | {"best": "same same"})
        assert index.match("same").top(3)[0] == ["best", "d3", "d1"]

    @given(CORPORA, QUESTIONS, st.integers(1, 15))
    def test_is_the_start_of_all_documents_sorted(
        self, texts: dict[str, str], question: str, k: int
    ) -> None:
        match = built(texts).match(question)
        ids, scores = match.top(k)
        order = sorted(range(len(texts)), key=lambda row: (-match.scores[row], row))
        expected = [row for row in order if match.scores[row] > 0][:k]
        assert ids == [match.ids[row] for row in expected]
        np.testing.assert_array_equal(scores, match.scores[expected])

    @given(
        st.lists(st.integers(0, 30), min_size=1, max_size=500),
        st.integers(1, 25),
    )
    def test_of_many_documents_holds_the_same(self, whole: list[int], k: int) -> None:
        order = sorted(range(len(whole)), key=lambda row: (-whole[row], row))
        expected = [row for row in order if whole[row] > 0][:k]
        assert best_rows(np.array(whole, dtype=np.float32), k).tolist() == expected

    def test_needs_a_positive_number(self) -> None:
        with pytest.raises(ValueError, match="k: expected at least 1, got 0"):
            built(TEXTS).match("ferry").top(0)


class TestBuild:
    def test_detects_the_language_on_the_first_texts(self) -> None:
        text = "quante domande sono state fatte per il porto e per la città che è sul mare?"
        index = LexicalIndex.build([(["a", "b"], [text, "si trattava di una domanda"])])
        assert index.tokenizer == Tokenizer("italian")
        assert index.match("domanda").top(2)[0] == ["b", "a"]

    @pytest.mark.parametrize(
        ("text", "question"),
        [
            ("東京タワーは港区にあります。", "東京タワー"),
            ("北京是中国的首都。", "中国首都"),
            ("ประเทศไทยมีเมืองหลวงคือกรุงเทพ", "เมืองหลวง"),
        ],
        ids=["Japanese", "Chinese", "Thai"],
    )
    def test_finds_words_in_scripts_without_spaces(self, text: str, question: str) -> None:
        index = LexicalIndex.build([(["other", "wanted"], ["香港の水", text])])
        assert index.match(question).top(1)[0] == ["wanted"]

    def test_reads_blocks_of_any_size_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(collecting, "TOKENS_AT_ONCE", 3)
        monkeypatch.setattr(postings, "AT_ONCE", 2)
        blocks = iter([([], []), *(([name], [text]) for name, text in TEXTS.items())])
        index = LexicalIndex.build(blocks, tokenizer=PLAIN)
        assert vector(index, "the ferry cat") == vector(built(TEXTS), "the ferry cat")

    def test_counts_more_occurrences_than_a_byte_holds(self) -> None:
        texts = {"few": "a b", "many": "a " * 300, "more": "a " * 70_000}
        scores = built(texts).match("a").scores
        np.testing.assert_allclose(scores, naive("a", list(texts.values())), rtol=1e-5)

    @pytest.mark.parametrize("blocks", [[], [([], [])]])
    def test_of_nothing_is_refused(self, blocks: Any) -> None:
        with pytest.raises(InvalidDatasetError, match="expected at least one document, got none"):
            LexicalIndex.build(blocks)

    @pytest.mark.parametrize(
        ("blocks", "message"),
        [
            ([(["a", "b"], ["x", "y"]), (["b"], ["z"])], "each id once, got 'b' twice"),
            ([(["a", "b"], ["x"])], "got 2 ids and 1 texts in a block"),
            ([(["a"], [None])], "got id 'a' with a text of type NoneType"),
            ([([7], ["x"])], "expected strings, got id 7"),
        ],
    )
    def test_of_bad_blocks_is_refused(self, blocks: Any, message: str) -> None:
        with pytest.raises(InvalidDatasetError, match=message):
            LexicalIndex.build(blocks, tokenizer=PLAIN)

    def test_needs_the_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "bm25s", None)
        with pytest.raises(MissingExtraError, match=r"pip install '.*\[hybrid\]'"):
            built(TEXTS)
        with pytest.raises(MissingExtraError, match=r"pip install '.*\[hybrid\]'"):
            LexicalIndex.load(tmp_path)

    @pytest.mark.parametrize("options", [{"k1": -1}, {"k1": math.nan}, {"b": 1.1}])
    def test_with_parameters_out_of_range_is_refused(self, options: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="expected k1 from 0 and b from 0 to 1"):
            built(TEXTS, **options)

    def test_shows_progress_on_request(self, capsys: pytest.CaptureFixture[str]) -> None:
        built(TEXTS, show_progress=True)
        assert "Indexing words" in capsys.readouterr().err

    def test_gives_ids_and_their_number(self) -> None:
        index = built(TEXTS)
        assert len(index) == 5
        assert list(index.ids) == list(TEXTS)
        assert "cat" in index
        assert "dog" not in index

    def test_gives_an_index_that_can_be_copied(self) -> None:
        index = built(TEXTS)
        index.match("ferry")
        copy = pickle.loads(pickle.dumps(index))  # noqa: S301
        assert vector(copy, "ferry") == vector(index, "ferry")


class CountedTokenizer(Tokenizer):
    n_texts = 0

    def __call__(self, text: str) -> list[str]:
        type(self).n_texts += 1
        return super().__call__(text)


class TestUpdate:
    @given(CORPORA, CORPORA, st.data())
    def test_scores_as_a_new_index_does(
        self, old: dict[str, str], changed: dict[str, str], data: st.DataObject
    ) -> None:
        deleted = data.draw(st.lists(st.sampled_from([*old, "absent"]), max_size=4))
        left = {name: text for name, text in old.items() if name not in deleted}
        kept = {name: text for name, text in left.items() if changed.get(name, text) == text}
        final = kept | {name: text for name, text in changed.items() if name not in kept}
        index = built(old).updated([block(changed)], deleted=deleted)
        fresh = built(final)
        assert index.ids == fresh.ids
        assert set(index.counts.vocabulary) == set(fresh.counts.vocabulary)
        for question in ("a b c", "d e f g h", "x"):
            assert vector(index, question) == vector(fresh, question)

    def test_splits_only_texts_that_have_changed(self) -> None:
        index = built(TEXTS, tokenizer=CountedTokenizer())
        CountedTokenizer.n_texts = 0
        index.updated([block(TEXTS | {"cat": "dog", "new": "text"})])
        assert CountedTokenizer.n_texts == 2

    def test_leaves_the_old_index_as_it_was(self) -> None:
        index = built(TEXTS)
        before = vector(index, "cat ferry dog")
        index.updated([block({"cat": "dog dog"})], deleted=["ferry"])
        assert vector(index, "cat ferry dog") == before
        assert "dog" not in index.counts.vocabulary

    def test_that_leaves_nothing_is_refused(self) -> None:
        with pytest.raises(InvalidDatasetError, match="at least one document, got none"):
            built({"a": "b"}).updated(deleted=["a"])

    def test_with_an_id_twice_is_refused(self) -> None:
        with pytest.raises(InvalidDatasetError, match="'cat' twice"):
            built(TEXTS).updated([block({"cat": "x"}), block({"cat": "cat cat cat"})])

    def test_is_due_for_texts_that_are_new_or_have_changed(self) -> None:
        given_texts = TEXTS | {"cat": "dog", "new": "text"}
        index = built(TEXTS)
        assert index.outdated(*block(given_texts)) == ["cat", "new"]
        assert index.updated([block(given_texts)]).outdated(*block(given_texts)) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return built(TEXTS, tokenizer=Tokenizer("english"), k1=0.9).save(tmp_path / "words")


def data_folders(folder: Path) -> list[Path]:
    return sorted(folder.glob("data-*"))


def edited(folder: Path, **values: Any) -> None:
    path = folder / "lexical.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


class TestFiles:
    @settings(max_examples=25)
    @given(texts=CORPORA, question=QUESTIONS, memory_map=st.booleans())
    def test_give_the_index_back(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        texts: dict[str, str],
        question: str,
        memory_map: bool,
    ) -> None:
        index = built(texts, k1=0.9, b=0.4)
        path = index.save(tmp_path_factory.mktemp("words"))
        loaded = LexicalIndex.load(path, memory_map=memory_map)
        assert (loaded.ids, loaded.tokenizer) == (index.ids, index.tokenizer)
        assert loaded.formula == index.formula
        assert vector(loaded, question) == vector(index, question)
        changed = block({"added": "a b"})
        assert vector(loaded.updated([changed]), "a") == vector(index.updated([changed]), "a")

    def test_are_replaced_by_the_next_save_even_while_they_are_read(self, folder: Path) -> None:
        index = LexicalIndex.load(folder)
        index.updated([block({"new": "ferries"})]).save(folder)
        assert len(data_folders(folder)) == 1
        assert "new" in LexicalIndex.load(folder)
        assert index.match("ferries").top(9)[0] == ["ferry", "price"]

    @pytest.mark.parametrize("after", range(8))
    def test_of_an_interrupted_save_leave_the_old_index(
        self, folder: Path, after: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = iter(range(after))
        real = os.fsync

        def dying(file: int) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            real(file)

        monkeypatch.setattr(os, "fsync", dying)
        with pytest.raises(KeyboardInterrupt):
            built({"other": "text"}).save(folder)
        monkeypatch.undo()
        assert list(LexicalIndex.load(folder).ids) == list(TEXTS)
        assert len(data_folders(folder)) == 1

    def test_that_a_killed_save_left_are_deleted_a_day_later(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (left := folder / f"data-{'0' * 32}").mkdir()
        index = built(TEXTS)
        index.save(folder)
        assert left in data_folders(folder)  # another process may be writing it
        monkeypatch.setattr(saving, "ABANDONED", -1)
        index.save(folder)
        assert len(data_folders(folder)) == 1

    def test_replaced_while_they_are_read_are_read_again(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stale = json.loads((folder / "lexical.json").read_text())
        built({"new": "text"}).save(folder)
        records = iter([stale])
        real = loading.read_record
        monkeypatch.setattr(loading, "read_record", lambda path: next(records, None) or real(path))
        assert list(LexicalIndex.load(folder).ids) == ["new"]

    @pytest.mark.parametrize("memory_map", [True, False])
    @pytest.mark.parametrize("damage", ["truncated", "missing", "empty"])
    def test_that_are_damaged_are_refused(
        self, folder: Path, damage: str, memory_map: bool
    ) -> None:
        for path in sorted(data_folders(folder)[0].iterdir()):
            content = path.read_bytes()
            path.unlink()
            if damage != "missing":
                path.write_bytes(content[:-1] if damage == "truncated" else b"")
            with pytest.raises(LexicalIndexError, match=rf"{path.name}.*build the index again"):
                LexicalIndex.load(folder, memory_map=memory_map)
            path.write_bytes(content)
        LexicalIndex.load(folder, memory_map=memory_map)

    def test_with_an_altered_byte_are_refused_when_they_are_read_whole(self, folder: Path) -> None:
        path = data_folders(folder)[0] / "weights.npy"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(LexicalIndexError, match=r"weights.npy: .*checksum"):
            LexicalIndex.load(folder, memory_map=False)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"format_version": 99}, "version 99 is newer than 1; upgrade"),
            ({"format_version": None}, "build the index again"),
            ({"data": "../elsewhere"}, "'../elsewhere'"),
            ({"tokenizer": {"language": None, "rules": 0}}, "expected rules 1, got 0"),
            ({"tokenizer": {"rules": 1}}, "KeyError"),
            ({"formula": {"k1": -1, "b": 0}}, "expected k1 from 0"),
            ({"files": {"weights.npy": {"bytes": 1}}}, "expected 1 bytes"),
        ],
    )
    def test_with_an_odd_record_are_refused(
        self, folder: Path, values: dict[str, Any], message: str
    ) -> None:
        edited(folder, **values)
        with pytest.raises(LexicalIndexError, match=message):
            LexicalIndex.load(folder)

    def test_with_arrays_of_another_length_or_type_are_refused(self, folder: Path) -> None:
        edited(folder, files={})
        path = data_folders(folder)[0] / "weights.npy"
        for array in (np.zeros(3, np.float32), np.load(path).astype(np.float64)):
            np.save(path, array)
            with pytest.raises(LexicalIndexError, match=r"weights: expected \d+ float32 values"):
                LexicalIndex.load(folder)

    @pytest.mark.parametrize("content", [None, "", "[]", "{}", "\udcff"])
    def test_without_a_readable_record_are_refused(self, folder: Path, content: str | None) -> None:
        (folder / "lexical.json").unlink()
        if content is not None:
            (folder / "lexical.json").write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(LexicalIndexError, match=r"lexical.json.*build the index again"):
            LexicalIndex.load(folder)
        assert len(LexicalIndex.load(built(TEXTS).save(folder))) == 5

    def test_that_do_not_exist_are_missed(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="no lexical index at"):
            LexicalIndex.load(tmp_path / "nowhere")

    def test_built_with_another_stemmer_give_a_warning(self, folder: Path) -> None:
        edited(folder, stemmer="1.0.0")
        with pytest.warns(LexicalIndexWarning, match=r"with PyStemmer 1.0.0, but \S+ is installed"):
            LexicalIndex.load(folder)

    def test_hold_ids_of_any_characters(self, tmp_path: Path) -> None:
        index = built({"a\nb": "x", 'quote"': "y", "\ud800": "z \ud800"})
        assert LexicalIndex.load(index.save(tmp_path)).ids == index.ids
