"""Estimate tokens from characters, before a model is called; a token is taken as four."""

CHARACTERS_PER_TOKEN = 4


def tokens_in(n_characters: int) -> int:
    """Return the estimated number of tokens; for English within about 25 %."""
    return -(-n_characters // CHARACTERS_PER_TOKEN)
