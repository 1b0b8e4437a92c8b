"""Inputs for the fuzzed readers: bytes, JSON, and mutations of valid files."""

import json

from hypothesis import strategies as st

from tests.fuzz.structure import paths, with_value

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([10**400, -(2**63), 1e308, float("nan"), float("inf"), "", " ", "id", "q"])
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["\ud800", "\x00", "\x1b[31m", "../x", "\u202e", "file://x", "[[", "=1+1"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
DEEP = st.sampled_from([b"[" * 60_000, b'{"a":' * 20_000, b"9" * 5_000, b"[" * 990 + b"]" * 990])


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """Draw a valid file with bytes changed, cut off, repeated or, of JSON, values replaced."""
    if draw(st.booleans()):
        replaced = _replaced(draw, seed)
        if replaced is not None:
            return replaced
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "cut", "repeat", "insert", "drop"]))
        if kind == "flip" and content:
            content[place] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[place:]
        elif kind == "repeat":
            content[place:place] = content[place : place + draw(st.integers(1, 64))]
        elif kind == "insert":
            content[place:place] = draw(st.binary(max_size=4))
        else:
            del content[place : place + draw(st.integers(1, 8))]
    return bytes(content)


def _replaced(draw: st.DrawFn, seed: bytes) -> bytes | None:
    """Return the JSON, or the first line of JSONL, with one value replaced, renamed or dropped."""
    first, _, rest = seed.partition(b"\n")
    for text, others in ((seed, b""), (first, rest)):
        try:
            content = json.loads(text)
        except ValueError:
            continue
        for _ in range(draw(st.integers(1, 2))):
            path = draw(st.sampled_from(list(paths(content))))
            content = with_value(content, path, draw(VALUES), drop=draw(st.integers(0, 4)) == 0)
        return json.dumps(content).encode() + (b"\n" + others if others else b"")
    return None


def inputs(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return the strategy of inputs for a reader with these valid ones."""
    anything = st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()) | DEEP
    return st.one_of([*(mutated(seed) for seed in seeds), anything])
