"""Test that answers and passages are found in the chunks that hold them, whole or cut."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.data import RetrievalDataset
from query_adapters.data.answers import AnsweredQuestion
from query_adapters.errors import InvalidDatasetError, MissingExtraError
from query_adapters.locating import Located, locate, relocate

WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrs"]  # 125 words
RNG = np.random.default_rng(0)
BOOK = [str(word) for word in RNG.choice(WORDS, 600)]  # its runs of three words are all different
CHUNKS = {f"c{row}": " ".join(BOOK[row * 30 : row * 30 + 30]) for row in range(20)}
TOWN = {
    "harbour": "The harbour is four miles away, beyond the old lighthouse.",
    "fishing": "Only members may fish from the quay, on Sundays from 6 to 9.",
    "ferry": "The ferry to the island leaves at noon.",
}


def grades(found: Located, question: str = "q") -> dict[str, float]:
    return {key: round(grade, 3) for key, grade in found.qrels.get(question, {}).items()}


def place(text: str, chunks: Any = TOWN, **options: Any) -> Located:
    return locate([("q", text)], chunks, **options)


# Whole passages


@pytest.mark.parametrize(
    "text",
    [
        "four miles away, beyond the old lighthouse",
        "FOUR  miles\taway —\nbeyond the “old” light-\nhouse!",
        "four miles away beyond the old light\u00adhouse",
        "ﬁsh from the quay, on Sundays",  # a ligature
    ],
)
def test_a_passage_is_found_whatever_its_layout(text: str) -> None:
    found = place(text, min_similarity=1)
    assert list(grades(found).values()) == [1.0]
    assert found.placed[0].matches[0].similarity == 1


@pytest.mark.parametrize(
    ("text", "chunk"),
    [
        ("four milles awy, beyond the old lighthuose", "harbour"),
        ("Only menbers may fish fromthe quay, on Sundays from 6 to 9", "fishing"),
    ],
)
def test_a_similar_text_is_found_unless_equality_is_asked_for(text: str, chunk: str) -> None:
    found = place(text)
    assert grades(found) == {chunk: 1.0}
    assert 0.85 <= found.placed[0].matches[0].similarity < 1
    assert place(text, min_similarity=1).qrels == {}


def test_a_similar_text_with_another_number_is_not_the_same() -> None:
    found = place("Only members may fish from the quay, on Sundays from 7 to 9")
    assert found.qrels == {}
    assert found.unplaced[0].best is not None
    assert found.unplaced[0].best.chunk == "fishing"


def test_an_equal_text_makes_a_similar_one_a_look_alike() -> None:
    text = "Revenue rose since riders took more trips than in the year before"
    chunks = {"2020": f"{text}.", "2021": text.replace("since", "because")}
    assert grades(place(text, chunks)) == {"2020": 1.0}
    assert grades(place(text, {"2021": chunks["2021"]})) == {"2021": 1.0}


def test_words_are_found_as_words() -> None:
    chunks = {"a": "the party starts", "b": "modern art is shown", "c": "2014 was mild"}
    assert grades(place("art", chunks)) == {"b": 1.0}
    assert place("4", chunks).qrels == {}


def test_of_short_answers_the_one_in_the_same_case_is_meant() -> None:
    chunks = {"country": "made in the US only", "pronoun": "they told us so"}
    assert grades(place("US", chunks)) == {"country": 1.0}
    assert grades(place("us", chunks)) == {"pronoun": 1.0}
    assert grades(place("Us", chunks)) == {"country": 1.0, "pronoun": 1.0}


def test_scripts_without_spaces_are_found() -> None:
    chunks = {
        "tokyo": "東京都の人口は約一千四百万人です。",
        "osaka": "大阪府の人口は約八百八十万人です。",
    }
    assert grades(place("人口は約一千四百万人", chunks)) == {"tokyo": 1.0}
    assert grades(place("大阪", chunks)) == {"osaka": 1.0}


# Passages that chunks cut


def test_a_passage_across_two_chunks_labels_both_by_their_shares() -> None:
    passage = " ".join(BOOK[24:36])  # 6 words in c0, 6 in c1, of 3 letters each
    assert grades(locate([("q", passage)], CHUNKS)) == dict.fromkeys(
        ["c0", "c1"], 0.489
    )  # 23 of 47


def test_a_border_within_a_word_is_no_obstacle() -> None:
    text = " ".join(BOOK[:40])
    chunks = {"a": text[:81], "b": text[81:]}  # cuts a word after its first letter
    found = place(text[41:121], chunks, min_similarity=1)
    assert set(grades(found)) == {"a", "b"}
    assert sum(grades(found).values()) == pytest.approx(1, abs=0.03)


def test_a_passage_longer_than_all_chunks_labels_those_that_it_covers() -> None:
    found = locate([("q", " ".join(BOOK[30:150]))], CHUNKS)
    assert grades(found) == dict.fromkeys(["c1", "c2", "c3", "c4"], 0.248)  # 119 of 479


def test_a_passage_may_be_the_whole_document() -> None:
    assert grades(locate([("q", " ".join(BOOK))], CHUNKS)) == dict.fromkeys(CHUNKS, 0.05)


def test_a_chunk_that_shares_little_with_the_passage_has_no_label() -> None:
    assert set(grades(locate([("q", " ".join(BOOK[27:60]))], CHUNKS))) == {"c1"}  # 3 words of c0


def test_overlapping_chunks_have_the_share_that_they_hold() -> None:
    chunks = {"a": " ".join(BOOK[:40]), "b": " ".join(BOOK[25:65])}
    assert grades(place(" ".join(BOOK[20:40]), chunks)) == {"a": 1.0, "b": 0.747}  # 59 of 79


def test_text_before_a_part_is_no_obstacle_to_its_counterpart() -> None:
    chunks = {key: f"Guide to the town, chapter {key}. {text}" for key, text in CHUNKS.items()}
    assert set(grades(locate([("q", " ".join(BOOK[20:40]))], chunks))) == {"c0", "c1"}


def test_half_of_a_passage_is_not_enough() -> None:
    passage = " ".join(BOOK[15:45])
    found = place(passage, {"c0": CHUNKS["c0"]})
    assert found.qrels == {}
    (unplaced,) = found.unplaced
    assert unplaced.text == passage
    assert unplaced.best is not None
    assert (unplaced.best.chunk, round(unplaced.best.share, 2)) == ("c0", 0.5)


# Duplicates and ambiguity


def test_equal_texts_under_two_ids_are_both_labelled() -> None:
    found = place(TOWN["ferry"], {**TOWN, "copy": TOWN["ferry"]}, max_chunks=1)
    assert grades(found) == {"ferry": 1.0, "copy": 1.0}
    assert found.ambiguous == ()


@pytest.mark.parametrize(
    ("text", "n_chunks", "is_ambiguous"),
    [("noon", 2, False), ("noon", 3, True), ("the ferry leaves today at noon", 5, False),
     ("the ferry leaves today at noon", 6, True)],
)  # fmt: skip
def test_an_answer_in_many_chunks_is_ambiguous(
    text: str, n_chunks: int, is_ambiguous: bool
) -> None:
    chunks = {f"c{row}": f"{WORDS[row]}, the ferry leaves today at noon" for row in range(n_chunks)}
    found = locate([("q", text)], chunks | TOWN if text != "noon" else chunks)
    assert bool(found.ambiguous) == is_ambiguous
    assert bool(found.qrels) != is_ambiguous
    assert found.unplaced == ()


def test_ambiguous_answers_are_labelled_on_request() -> None:
    chunks = {word: f"{word} at noon" for word in WORDS[:4]}
    found = place("noon", chunks, keep_ambiguous=True)
    assert grades(found) == dict.fromkeys(chunks, 1.0)
    assert len(found.ambiguous[0].matches) == 4


# Questions


def test_passages_come_before_the_answer_and_a_question_takes_the_labels_of_all() -> None:
    question = AnsweredQuestion(
        "q", (TOWN["ferry"], "no such text anywhere at all", "harbour is four miles"), "noon", "id"
    )
    found = locate([question], TOWN)
    assert grades(found, "id") == {"ferry": 1.0, "harbour": 1.0}
    assert [one.text for one in found.unplaced] == ["no such text anywhere at all"]
    only_answer = AnsweredQuestion("q", (" ",), "at noon", "id")
    assert grades(locate([only_answer], TOWN), "id") == {"ferry": 1.0}


def test_a_question_with_neither_passage_nor_answer_is_reported() -> None:
    found = locate([AnsweredQuestion("q"), AnsweredQuestion("r", answer="?!"), ("s", "noon")], TOWN)
    assert [one.text for one in found.unplaced] == ["", "?!"]
    assert "'q' has no passage and no answer" in str(found)
    assert list(found.dataset.queries) == ["s"]


def test_the_dataset_has_all_chunks_of_a_mapping_and_the_labelled_ones_of_blocks() -> None:
    blocks = iter([(["harbour"], [TOWN["harbour"]]), (["x", "ferry"], ["", TOWN["ferry"]])])
    assert place("leaves at noon", blocks).dataset.corpus == {"ferry": TOWN["ferry"]}
    assert place("leaves at noon", {**TOWN, "blank": " "}).dataset.corpus == TOWN


def test_a_block_may_hold_any_number_of_chunks() -> None:
    many = {f"n{row}": f"{WORDS[row % 125]} {row}" for row in range(2_500)}
    found = place("leaves at noon", iter([(list(many | TOWN), list((many | TOWN).values()))]))
    assert grades(found) == {"ferry": 1.0}


def test_the_summary_counts_and_names_what_is_missing() -> None:
    asked = [("a", "leaves at noon"), ("b", "Zanzibar"), ("c", "the old lighthuose beyond"),
             ("d", "harbour is four miles away, beyond the new pier in the west")]  # fmt: skip
    lines = str(locate(asked, TOWN)).splitlines()
    assert lines[:3] == [
        "1 of 4 questions located in 1 chunks",
        "1 passages placed: 1 whole in a chunk, 0 across chunks; 0 as a similar text",
        "3 passages not found:",
    ]
    assert lines[3] == "  'Zanzibar': no chunk shares enough of its words"
    assert "'harbour', similarity 1.00" in lines[5]


def test_a_dataset_without_a_located_question_is_refused_with_the_reasons() -> None:
    with pytest.raises(InvalidDatasetError, match=r"none of 1 questions was located(.|\n)*'Zan"):
        _ = place("Zanzibar").dataset


# Bad input


@pytest.mark.parametrize(
    ("questions", "chunks", "message"),
    [
        ([], TOWN, "at least one, got none"),
        ("q", TOWN, "expected a list of AnsweredQuestion"),
        ([("q", 3)], TOWN, r"got AnsweredQuestion|got \('q', 3\)"),
        ([(" ", "noon")], TOWN, "expected a list of AnsweredQuestion"),
        ([("q", ["noon", None])], TOWN, "all of them texts"),
        ([AnsweredQuestion("q", id="1"), AnsweredQuestion("r", id="1")], TOWN, "'1' for 'q'"),
        ([("q", "noon")], {}, "chunks: expected at least one with text"),
        ([("q", "noon")], {"a": " "}, "chunks: expected at least one with text"),
        ([("q", "noon")], [("a", "text")], "blocks of"),
        ([("q", "noon")], [(["a", "b"], ["text"])], "blocks of"),
        ([("q", "noon")], [(["a", "a"], ["x", "y"])], "'a' twice"),
        ([("q", "noon")], {"a": None}, "got 'a' with a NoneType"),
        ([("q", "noon")], "chunks", "expected texts by id"),
    ],
)
def test_bad_input_is_refused(questions: Any, chunks: Any, message: str) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        locate(questions, chunks)


@pytest.mark.parametrize(
    ("option", "value"),
    [("min_similarity", 0.5), ("min_similarity", 1.01), ("max_chunks", 0), ("max_chunks", 201)],
)
def test_an_option_out_of_range_is_refused(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option}: expected"):
        place("noon", **{option: value})


def test_similar_texts_need_the_extra_and_equal_ones_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    chunks = iter([(list(TOWN), list(TOWN.values()))])
    with pytest.raises(MissingExtraError, match="locate"):
        place("leaves at noon", chunks)
    assert grades(place("leaves at noon", chunks, min_similarity=1)) == {"ferry": 1.0}


# Properties


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_run_of_words_is_placed_in_the_chunks_that_it_comes_from(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(BOOK) - 12))
    stop = data.draw(st.integers(start + 10, min(len(BOOK), start + 90)))
    found = locate([("q", " ".join(BOOK[start:stop]))], CHUNKS)
    length = stop - start
    shares = {
        f"c{row}": max(0, min(stop, row * 30 + 30) - max(start, row * 30)) for row in range(20)
    }
    needed = {key for key, n in shares.items() if n >= 0.25 * min(length, 30) and n >= 3}
    assert needed <= set(found.qrels["q"]) <= {key for key, n in shares.items() if n}
    for key, grade in found.qrels["q"].items():
        assert grade == pytest.approx(shares[key] / length, abs=0.02)


def recased(draw: st.DrawFn, text: str) -> Iterator[str]:
    for word in text.split():
        yield draw(st.sampled_from([str.lower, str.upper, str.title]))(word)
        yield draw(st.sampled_from([" ", "\n", "  ", " - ", ", ", "\u00a0", "; “"]))


@st.composite
def run_in_another_layout(draw: st.DrawFn) -> tuple[str, str]:
    start = draw(st.integers(0, len(BOOK) - 12))
    text = " ".join(BOOK[start : start + draw(st.integers(3, 40))])
    return text, "".join(recased(draw, text))


@settings(deadline=None)
@given(run_in_another_layout())
def test_layout_does_not_change_labels(texts: tuple[str, str]) -> None:
    plain, changed = (locate([("q", text)], CHUNKS).qrels for text in texts)
    assert plain == changed


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=6), st.text(max_size=60))
def test_no_text_breaks_it_and_every_passage_is_accounted_for(
    chunks: list[str], passage: str
) -> None:
    texts = {str(row): text for row, text in enumerate([*chunks, "a text"])}
    found = place(passage, texts)
    assert len(found.placed) + len(found.unplaced) + len(found.ambiguous) == 1
    for match in (match for one in found.placed for match in one.matches):
        assert 0 < match.share <= 1


# Re-chunking


def test_labels_move_to_new_chunks_with_their_grades() -> None:
    qrels = {"q": {"c1": 2}, "r": {"c5": 1, "c6": 1}}
    old = RetrievalDataset({"q": "first?", "r": "second?"}, CHUNKS, qrels)
    new = {f"n{row}": " ".join(BOOK[row * 15 : row * 15 + 15]) for row in range(40)}
    found = relocate(old, old.corpus, new)
    assert grades(found) == {"n2": 0.992, "n3": 0.992}  # 59 of 119 characters, grade 2
    assert set(grades(found, "r")) == {"n10", "n11", "n12", "n13"}
    assert found.dataset.queries == old.queries
    back = relocate(found.dataset, new, CHUNKS)
    assert grades(back) == {"c1": 0.992}
    assert set(grades(back, "r")) == {"c5", "c6"}


def test_relocating_takes_questions_with_ids_and_reports_chunks_that_are_gone() -> None:
    questions = {"kept?": ["ferry"], "gone?": "fishing"}
    new = {"a": f"{TOWN['harbour']} {TOWN['ferry']}"}
    found = relocate(questions, iter([(list(TOWN), list(TOWN.values()))]), new)
    assert found.qrels == {"kept?": {"a": 1.0}}
    assert [one.question.question for one in found.unplaced] == ["gone?"]


def test_relocating_needs_the_old_texts() -> None:
    with pytest.raises(InvalidDatasetError, match="got none of 1, such as 'x'"):
        relocate({"q": "x"}, TOWN, TOWN)
