"""Split texts of any language into tokens for exact-word search."""

import re
import sys
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol, Self

from query_adapters._extras import require_extra
from query_adapters.lexical.languages import language_of

RULES = 1  # raised when the same text gets other tokens: an index built by other rules is refused
SAMPLED_CHARACTERS = 2_000  # of each text, to detect the language
UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0eca\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1780-\u17d3"  # Burmese, Khmer
    "\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # Japanese kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "\uac00-\ud7a3"  # Korean, whose particles are attached to the words
)
INVISIBLE = dict.fromkeys([0xAD, 0x200C, 0x200D, 0x2060, 0xFEFF])  # soft hyphen, joiners
DOTTED_I = "i\u0307"  # what Turkish İ becomes when casefolded
HYPHENS = "-\u2010"
_PARTS = re.compile(f"[{HYPHENS}_]+")
_RUN = re.compile(f"[{UNSPACED}]+")
_local = threading.local()


class _Stemmer(Protocol):
    def stemWords(self, words: list[str]) -> list[str]: ...  # noqa: N802


@dataclass(frozen=True)
class Tokenizer:
    """Splits a text into tokens: casefolded words, numbers, codes, or pairs of characters.

    - Words are Unicode words after compatibility normalization (NFKC). Stop words are kept: BM25
      gives them next to no weight.
    - A number keeps its separators ("1,077.4", "3.11"), a name its sign ("C++", "C#").
    - Words joined by hyphens or underscores give their parts and the whole: "10-K" gives "10", "k"
      and "10k", so that it matches "10K" and "10 K" as well.
    - Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese have few or no spaces: runs of their
      characters give overlapping pairs; a single character stays one.
    - Words are stemmed by Snowball if a language is given (extra: hybrid).

    Args:
        language: Name of a Snowball language, such as "italian"; None to keep words as they are.

    Raises:
        ValueError: If Snowball does not know the language.
        MissingExtraError: If a language is given and the extra `hybrid` is not installed.
    """

    language: str | None = None

    def __post_init__(self) -> None:
        if self.language is not None and self.language not in _languages():
            raise ValueError(
                f"language: expected one of {', '.join(_languages())}, got {self.language!r}; "
                "use None to keep words as they are"
            )

    @classmethod
    def detected(cls, texts: Iterable[str]) -> Self:
        """Return the tokenizer for a sample of texts, without stemming if the language is unsure.

        The language is detected by the shares of some very frequent words of 20 languages, see
        `query_adapters.lexical.languages`. A few hundred texts are enough.
        """
        plain = cls()
        return cls(language_of(word for text in texts for word in plain(text[:SAMPLED_CHARACTERS])))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the tokenizer that was recorded.

        Raises:
            ValueError: If it was recorded by a version with other rules, or the record is not one.
        """
        if record.get("rules") != RULES:
            raise ValueError(
                f"tokenizer: expected rules {RULES}, got {record.get('rules')!r}; build the index "
                "again, or install the version of this package that built it"
            )
        return cls(record["language"])

    def to_record(self) -> dict[str, Any]:
        """Return what `from_record` needs, as plain JSON values."""
        return {"language": self.language, "rules": RULES}

    def __call__(self, text: str) -> list[str]:
        """Return the tokens of the text; repeated words are repeated."""
        words: list[str] = []
        pairs: list[str] = []
        for found in _words().findall(_normalized(text)):
            if _RUN.match(found):
                pairs += _pairs(found)
            else:
                words += _with_parts(found)
        return self._stemmed(words) + pairs

    def _stemmed(self, words: list[str]) -> list[str]:
        return words if self.language is None else _stemmer(self.language).stemWords(words)


def _normalized(text: str) -> str:
    """Return the text casefolded, with spaces around runs of scripts that have none."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text).translate(INVISIBLE).casefold()
    return _RUN.sub(r" \g<0> ", plain.replace(DOTTED_I, "i"))


def _pairs(run: str) -> list[str]:
    return [first + second for first, second in pairwise(run)] or [run]


def _with_parts(word: str) -> list[str]:
    parts = [part for part in _PARTS.split(word) if part]
    return [*parts, "".join(parts)] if len(parts) > 1 else parts


@lru_cache(maxsize=1)
def _words() -> re.Pattern[str]:
    """Return the pattern of words; made on first use, for the marks take a moment to collect.

    The letters of `re` lack combining marks, such as the vowel signs of Hindi.
    """
    letters = rf"[\w{_marks()}]+"
    joint = rf"[{HYPHENS}]|(?<=\d)[.,](?=\d)"
    return re.compile(rf"{letters}(?:(?:{joint}){letters})*(?:\+\+|#(?!\w))?")


def _marks() -> str:
    """Return all combining marks, as the content of a character class."""
    codes = range(min(sys.maxunicode, 0xFFFF) + 1)
    return "".join(chr(code) for code in codes if unicodedata.category(chr(code))[0] == "M")


@lru_cache(maxsize=1)
def _languages() -> tuple[str, ...]:
    require_extra("hybrid")
    import Stemmer

    return tuple(Stemmer.algorithms())


def _stemmer(language: str) -> _Stemmer:
    """Return this thread's stemmer: one must not be used by two threads at once."""
    known: dict[str, _Stemmer] = _local.__dict__.setdefault("stemmers", {})
    if language not in known:
        import Stemmer

        known[language] = Stemmer.Stemmer(language)
    return known[language]
