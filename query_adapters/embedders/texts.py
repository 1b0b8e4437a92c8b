"""Check texts before they are embedded."""

from collections.abc import Sequence

from query_adapters.errors import InvalidDatasetError
from query_adapters.text.incoming import SURROGATES, is_encodable
from query_adapters.text.shown import listed


def check_texts(texts: Sequence[str], role: str) -> None:
    """Check that a provider can be sent the texts, before any of them is.

    Raises:
        InvalidDatasetError: If UTF-8 cannot hold one of them; the message has its position.
    """
    wrong = [f"number {place}" for place, text in enumerate(texts) if not is_encodable(text)]
    if wrong:
        raise InvalidDatasetError(
            f"{len(wrong)} {role} texts with {SURROGATES}: {listed(wrong)}, from 0; expected "
            "none, correct or drop them"
        )
