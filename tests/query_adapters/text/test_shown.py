"""Tests of text that goes out: bounded, and without effects on a terminal."""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters import errors
from query_adapters.errors import InvalidDatasetError, QueryAdaptersError, QueryAdaptersWarning
from query_adapters.text.incoming import is_encodable
from query_adapters.text.shown import listed, message, one_line, quoted, visible

HOSTILE = "a\x1b[31m\x1b]0;title\x07\r\x9b2J\u202eb\u2066\ud800\U000e0041\u2028c"
ANY_TEXT = st.text(st.characters())  # with surrogates and control characters


def acts_on_terminal(text: str) -> bool:
    controls = any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text if c not in "\t\n")
    return controls or any(
        c in text for c in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067"
    )


@given(ANY_TEXT)
def test_visible_text_does_nothing_to_a_terminal_and_is_encodable(text: str) -> None:
    shown = visible(text)
    assert not acts_on_terminal(shown)
    assert is_encodable(shown)
    assert visible(shown) == shown


@given(st.recursive(ANY_TEXT | st.integers(), lambda inner: st.lists(inner), max_leaves=5))
def test_visible_json_is_the_same_json(value: Any) -> None:
    assert json.loads(visible(json.dumps(value, ensure_ascii=False))) == value


def test_texts_that_people_write_are_left_alone() -> None:
    for text in ("naïve 日本語\n\tnext", "👩‍👩‍👧", "עברית\u200f (RTL)", "क्‍ष"):
        assert visible(text) == text


def nested(depth: int) -> list[Any]:
    """Return a list that is nested deeper than Python spells out."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    ["x" * 5_000_000, HOSTILE * 100_000, list(range(10_000)), {"a": ["y" * 10_000]},
     nested(100_000), {"n": [10**5_000]}, {HOSTILE: HOSTILE}],
    ids=["long", "hostile", "list", "mapping", "nested", "digits", "keys"],
)  # fmt: skip
def test_a_quoted_value_is_short_and_one_line(value: object) -> None:
    shown = quoted(value)
    assert len(shown) < 2_000
    assert "\n" not in shown
    assert not acts_on_terminal(shown)


def test_a_list_names_its_first_entries_and_counts_the_others() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(iter("abcde")) == "a, b, c and 2 more"
    assert len(listed(["x" * 10_000] * 5)) < 1_000


def test_a_message_keeps_where_and_the_remedy() -> None:
    shown = message(f"file:3: expected a row, got {'x' * 5_000_000}; correct or drop it")
    assert shown.startswith("file:3: expected a row")
    assert shown.endswith("correct or drop it")
    assert len(shown) < 1_000
    assert message(shown) == shown


def test_one_line_has_no_line_breaks() -> None:
    assert one_line(" a\n b\x1b\x85c ") == "a b\\u001b c"


@pytest.mark.parametrize("kind", [QueryAdaptersError, QueryAdaptersWarning])
def test_every_error_and_warning_is_bounded_and_safe_to_print(kind: type[Exception]) -> None:
    names = [getattr(errors, name) for name in vars(errors)]
    ours = [one for one in names if isinstance(one, type) and issubclass(one, kind)]
    plain = [one for one in ours if "__init__" not in vars(one)]
    assert len(plain) > 5
    for one in plain:
        error = one(HOSTILE * 1_000)
        assert len(str(error)) < 2_000
        assert not acts_on_terminal(str(error))
        assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def test_a_dataset_error_does_not_repeat_a_long_text() -> None:
    from query_adapters.data.dataset import RetrievalDataset

    with pytest.raises(InvalidDatasetError, match="1 queries without text") as caught:
        RetrievalDataset({"x" * 5_000_000: " "}, {}, {})
    assert len(str(caught.value)) < 500
