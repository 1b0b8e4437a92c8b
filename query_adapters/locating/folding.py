"""Fold texts into words that are equal where two copies of a text differ in layout alone."""

import re
import unicodedata

from query_adapters.lexical.tokenizer import DOTTED_I, INVISIBLE, UNSPACED

HYPHENS = "-\u2010\u2012\u2013\u2212"
_JOINT = re.compile(rf"(?<=\w)[{HYPHENS}]\s*(?=\w)")
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")


def fold(text: str) -> list[str]:
    r"""Return the words of a text without case, punctuation, hyphens and line breaks.

    Words go through Unicode's compatibility normalization (NFKC) and case folding. A hyphen
    within a word is dropped with the white space after it, so that a word that was hyphenated at
    the end of a line equals the whole word. Each character of a script without spaces, such as
    Chinese, is a word.

    Example:
        >>> fold("The quar-\nterly “Report”")
        ['the', 'quarterly', 'report']
    """
    if text.isascii():
        plain = text.lower()
    else:
        normal = unicodedata.normalize("NFKC", text).translate(INVISIBLE).casefold()
        plain = _UNSPACED.sub(r" \g<0> ", normal.replace(DOTTED_I, "i"))
    return _WORD.findall(_JOINT.sub("", plain))
