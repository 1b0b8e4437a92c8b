"""What is refused of text that comes in: characters that no file and no provider can take.

Ids and texts are otherwise kept as they are: control characters belong to a text, and ids are the
same only if all their characters are, without normalisation.
"""

from collections.abc import Iterable, Iterator, Mapping

SURROGATES = "lone surrogates (halves of characters, which UTF-8 cannot hold)"


def is_encodable(text: object) -> bool:
    """Return whether UTF-8 can hold the text, not so with lone surrogates; True for other types."""
    if not isinstance(text, str) or text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unencodable(texts: Mapping[str, str] | Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the ids of texts that UTF-8 cannot hold, and ids that it cannot hold."""
    for key, text in texts.items() if isinstance(texts, Mapping) else texts:
        if not (is_encodable(key) and is_encodable(text)):
            yield key
