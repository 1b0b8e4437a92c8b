"""Who asks, and which of two systems serves them: draws from a hash, the same on every machine."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import shake_256
from typing import Literal

Arm = Literal["incumbent", "challenger"]
"""One of the two systems of an experiment: what serves now, or what may replace it."""

INCUMBENT: Arm = "incumbent"
CHALLENGER: Arm = "challenger"
ARMS = (INCUMBENT, CHALLENGER)
_BYTES = 7  # 56 bits, so that the quotient is an exact float below 1

_SESSION: ContextVar[str | None] = ContextVar("query_adapters_session", default=None)

SessionSource = ContextVar[str] | ContextVar[str | None] | Callable[[], str | None]
"""Where a retriever finds who asks: a context variable, or a function without arguments."""


@contextmanager
def in_session(key: str | None) -> Iterator[None]:
    """Run the block for a user or a session; tasks and copied contexts see the key too.

    Args:
        key: Their key, such as a random id in a cookie; None for nobody.
    """
    token = _SESSION.set(key)
    try:
        yield
    finally:
        _SESSION.reset(token)


def current_session(source: SessionSource | None = None) -> str | None:
    """Return the key of who asks; None or an empty one means nobody known.

    Args:
        source: Where to find it; None for the block of `in_session`.
    """
    asked = _SESSION if source is None else source
    found = asked.get(None) if isinstance(asked, ContextVar) else asked()
    return None if found in (None, "") else str(found)


def arm_of(key: str, *, share: float, salt: str) -> Arm:
    """Return the arm of a user or session: always the same one, "challenger" for a `share` of keys.

    Where the share is raised later, those who had the challenger keep it.

    Args:
        key: The user's or the session's key.
        share: Expected share of keys that the challenger serves, in [0, 1].
        salt: Name of the experiment; arms under different salts are independent.

    Raises:
        ValueError: If `share` is not in [0, 1].
    """
    drawn = int.from_bytes(digest(salt, key, n_bytes=_BYTES)) / 256**_BYTES
    return CHALLENGER if drawn < checked_share(share) else INCUMBENT


def checked_share(share: float) -> float:
    """Return the share of the challenger.

    Raises:
        ValueError: If it is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected a number from 0 to 1, got {share}; such as 0.05")
    return share


def digest(*parts: str, n_bytes: int) -> bytes:
    """Return uniform bytes that depend on the parts alone; a longer digest begins with a shorter.

    Source: SHAKE-256 of FIPS 202, on a JSON list, which tells ("a", "b") from ("ab",).
    """
    return shake_256(json.dumps(parts).encode()).digest(n_bytes)


def fair_coins(seed: str, n: int) -> Iterator[bool]:
    """Return `n` fair coins of the seed alone; more of them begin with the same ones."""
    drawn = digest("coins", seed, n_bytes=-(-n // 8))
    return (bool(drawn[at // 8] >> at % 8 & 1) for at in range(n))
