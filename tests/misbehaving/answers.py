"""Answers that no provider should give, by what is wrong with them."""

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.servers.misbehaving import Answer, as_json

KEY = "sk-proj-Do9Not8Tell7Anybody6"
Rows = list[list[float]]

WRONG_VECTORS: Mapping[str, Callable[[Rows], Any]] = {
    "one missing": lambda rows: rows[:-1],
    "one too many": lambda rows: [*rows, rows[0]],
    "none": lambda rows: [],
    "null": lambda rows: None,
    "a string": lambda rows: "vectors",
    "an object": lambda rows: {"0": rows[0]},
    "null in place of a vector": lambda rows: [None, *rows[1:]],
    "a number in place of a vector": lambda rows: [0.5, *rows[1:]],
    "an object in place of a vector": lambda rows: [{"x": 0.5}, *rows[1:]],
    "an empty vector": lambda rows: [[], *rows[1:]],
    "empty vectors": lambda rows: [[] for _ in rows],
    "a shorter vector": lambda rows: [rows[0][:-1], *rows[1:]],
    "nested vectors": lambda rows: [[row] for row in rows],
    "nested numbers": lambda rows: [[[x] for x in row] for row in rows],
    "strings": lambda rows: [[str(x) for x in row] for row in rows],
    "one string": lambda rows: [["0.5", *rows[0][1:]], *rows[1:]],
    "booleans": lambda rows: [[x > 0 for x in row] for row in rows],
    "one boolean": lambda rows: [[True, *rows[0][1:]], *rows[1:]],
    "one null": lambda rows: [[None, *rows[0][1:]], *rows[1:]],
    "NaN": lambda rows: [[float("nan"), *rows[0][1:]], *rows[1:]],
    "infinity": lambda rows: [*rows[:-1], [*rows[-1][:-1], float("-inf")]],
    "too large for a float": lambda rows: [[1e300, *rows[0][1:]], *rows[1:]],
    "an integer of 400 digits": lambda rows: [[10**400, *rows[0][1:]], *rows[1:]],
}
ONLY_OUR_EMBEDDERS: Mapping[str, Callable[[Rows], Any]] = {
    "zeros": lambda rows: [[0.0 for _ in row] for row in rows],
    "a vector of zeros": lambda rows: [[0.0 for _ in rows[0]], *rows[1:]],
    "int8": lambda rows: [[int(100 * x) for x in row] for row in rows],
}
"""Other models than those of the two providers may have such vectors."""

WRONG_INDICES: Mapping[str, list[Any]] = {
    "all zero": [0, 0, 0, 0],
    "duplicated": [0, 0, 1, 1],
    "from one": [1, 2, 3, 4],
    "negative": [0, 1, 2, -1],
    "strings": ["0", "1", "2", "3"],
    "numbers with a point": [0.0, 1.0, 2.0, 3.0],
    "booleans": [False, True, 2, 3],
    "null": [None, None, None, None],
    "missing": [],
    "a list": [[0], [1], [2], [3]],
}
WRONG_BASE64: Mapping[str, str] = {
    "no base64": "!!!!",
    "letters beside the alphabet": base64.b64encode(bytes(32)).decode()[:-1] + "\u00e9",
    "odd length": base64.b64encode(bytes(33)).decode(),
    "without padding": "AAAAA",
    "empty": "",
    "NaN": base64.b64encode(b"\x00\x00\xc0\x7f" * 8).decode(),
}


def encoded(content: bytes, encoding: str) -> Answer:
    return Answer(content, headers={"Content-Encoding": encoding})


NO_ANSWERS: Mapping[str, Answer] = {
    "HTML": Answer(b"<html><body>Welcome</body></html>", headers={"Content-Type": "text/html"}),
    "JSON called HTML": Answer(b"<p>{}</p>"),
    "null": Answer(b"null"),
    "an empty list": Answer(b"[]"),
    "a list": Answer(b"[1, 2]"),
    "a string": Answer(b'"fine"'),
    "a number": Answer(b"1" * 5000),
    "an empty object": Answer(b"{}"),
    "an error object": as_json({"error": {"message": "overloaded", "code": 500}}),
    "no content": Answer(status=204),
    "nothing": Answer(),
    "spaces": Answer(b" \n " * 9),
    "no content type": Answer(b"fine", headers={"Content-Type": ""}),
    "truncated JSON": Answer(b'{"data": [{"index": 0, "embedd'),
    "JSON with a hole": Answer(b'{"data": [1, 2, }'),
    "a body that ends early": Answer(b'{"data": [', headers={"Content-Length": "900"}),
    "no UTF-8": Answer(b'{"data": "\xff\xfe\xfa"}'),
    "deeply nested": Answer(b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a long number": Answer(b'{"data": ' + b"1" * 5000 + b', "embeddings": ' + b"1" * 5000 + b"}"),
    "no gzip": encoded(b"plain text", "gzip"),
    "truncated gzip": encoded(gzip.compress(b'{"data": []}' * 99)[:-20], "gzip"),
    "an unknown compression": encoded(b"{}", "rot13"),
    "a redirect in a circle": Answer(status=307, headers={"Location": "/v2/embed"}),
    "a redirect to nowhere": Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    "a redirect without an address": Answer(status=301),
    "wrong fields": as_json({"data": {}, "embeddings": [], "choices": {}, "message": []}),
    "an error in no character set": Answer(
        b"\xff\xfeno", 400, {"Content-Type": "text/plain; charset=rot13"}
    ),
    "an error in a compression": Answer(b"x", 400, {"Content-Type": "text/plain; charset=zlib"}),
    "fields that are null": as_json({"data": None, "embeddings": None, "choices": None}),
    "empty fields": as_json({"data": [], "embeddings": {}, "choices": [], "message": {}}),
    "rows of null": as_json({"data": [None], "embeddings": {"float": None}, "choices": [None]}),
}


def vectors_answer(provider: str, rows: Any) -> Answer:
    """Return the provider's answer with these vectors, which may be no vectors."""
    if provider == "cohere":
        return as_json({"id": "1", "texts": [], "embeddings": {"float": rows}})
    if not isinstance(rows, list):
        return as_json({"object": "list", "data": rows, "model": "m"})
    return openai_answer(rows, list(range(len(rows))))


def openai_answer(embeddings: list[Any], indices: list[Any]) -> Answer:
    """Return OpenAI's answer with these embeddings and indices; without indices if none."""
    data = [{"object": "embedding", "embedding": one} for one in embeddings]
    for row, index in zip(data, indices, strict=False):
        row["index"] = index
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return Answer(
        json.dumps({"object": "list", "data": data, "model": "m", "usage": usage}).encode()
    )
