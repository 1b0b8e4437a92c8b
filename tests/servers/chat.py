"""A stub chat server in OpenAI's and Cohere's format that injects faults.

The text of each chunk contains a marker (`marker-17`), and the generated questions repeat it. This
shows whether a question is assigned to the wrong chunk. Faults are listed per marker, one per
request. After the listed faults, the server answers correctly.
"""

import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.servers.loopback import LONGEST_WAIT, Loopback, body_of, start_answer

MARKER = re.compile(r"marker-\w+")


@dataclass(frozen=True)
class Fault:
    """A fault in one response.

    Attributes:
        status: HTTP status.
        text: Text of the model instead of questions. None means questions.
        retry_after: Value of the Retry-After header.
        hang: Whether the server never answers.
        truncated: Whether the connection is closed in the middle of the body.
        broken: Whether the body is invalid JSON.
    """

    status: int = 200
    text: str | None = None
    retry_after: str = ""
    hang: bool = False
    truncated: bool = False
    broken: bool = False


RATE_LIMITED = Fault(429, retry_after="0.01")
BROKEN_DOWN = Fault(500)
HANGS = Fault(hang=True)
TRUNCATED = Fault(truncated=True)
MALFORMED = Fault(broken=True)
REFUSES = Fault(text="I'm sorry, but I can't help with that.")
EMPTY = Fault(text="")


def questions_about(marker: str, n: int = 2) -> list[str]:
    """Return the questions that the model generates for a chunk."""
    return [f"What does {marker} say in part {part}?" for part in range(1, n + 1)]


SHAPES: Mapping[str, str] = {
    "plain": "{0}\n{1}",
    "numbered": "1. {0}\n2. {1}",
    "parentheses": "1) {0}\n2) {1}",
    "enclosed": "(1) {0}\n(2) {1}",
    "bullets": "- {0}\n- {1}",
    "stars": "* {0}\n* {1}",
    "dots": "• {0}\n• {1}",
    "preamble": "Here are two questions:\n\n1. {0}\n2. {1}",
    "sure": "Sure! Here are 2 questions based on the passage:\n{0}\n{1}",
    "last words": "1. {0}\n2. {1}\n\nLet me know if you need more questions!",
    "offer": "{0}\n{1}\n\nWould you like me to write more questions?",
    "labels": "Question 1: {0}\nQuestion 2: {1}",
    "short labels": "Q1: {0}\nQ2: {1}",
    "bold labels": "**Question 1:** {0}\n\n**Question 2:** {1}",
    "bold": "1. **{0}**\n2. **{1}**",
    "headings": "### Question 1\n{0}\n\n### Question 2\n{1}",
    "answers": "Q: {0}\nA: It is so.\nQ: {1}\nA: It is not so.",
    "quotes": '"{0}"\n"{1}"',
    "thoughts": "<think>\nWhat could one ask here?\n1. Is it good?\n</think>\n\n{0}\n{1}",
    "fence": "```\n{0}\n{1}\n```",
    "JSON": '["{0}", "{1}"]',
    "fenced JSON": '```json\n["{0}", "{1}"]\n```',
    "JSON object": '{{"questions": ["{0}", "{1}"]}}',
    "JSON objects": '[{{"question": "{0}", "answer": "Is it?"}}, {{"question": "{1}"}}]',
    "one line": "1. {0} 2. {1}",
    "tags": "<question>{0}</question>\n<question>{1}</question>",
}
"""Output formats of language models for two questions, by name."""


class ChatServer(Loopback):
    """A stub chat server; use it as a context manager.

    Args:
        faults: Faults by marker, one per request.
        latency: Seconds until an answer is sent.
        hold_until: The first answers wait until this many requests run concurrently.
        on_paid: Callback with the number of complete answers, called after each.
        shape: Format of the questions in plain-text answers.
        reply: Function from the text of a request to the answer, instead of the questions.

    Attributes:
        asked: Number of requests by marker.
        paid: Number of complete answers by marker.
        most_in_flight: Maximum number of concurrent requests.
        paths: Number of requests by path.
    """

    def __init__(
        self,
        faults: Mapping[str, Sequence[Fault]] | None = None,
        *,
        latency: float = 0.0,
        hold_until: int = 0,
        on_paid: Callable[[int], None] | None = None,
        shape: str = "{0}\n{1}",
        reply: Callable[[str], str] | None = None,
    ) -> None:
        self.faults = faults or {}
        self.latency, self.hold_until, self.on_paid = latency, hold_until, on_paid
        self.shape, self.reply = shape, reply
        self.asked: Counter[str] = Counter()
        self._paid: Counter[str] = Counter()
        self.paths: Counter[str] = Counter()
        self.requests: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.in_flight = self.most_in_flight = 0
        self.changed = threading.Condition()
        super().__init__()

    @property
    def paid(self) -> Counter[str]:
        with self.changed:  # a client may have an answer before it is counted
            return Counter(self._paid)

    @property
    def n_paid(self) -> int:
        return self.paid.total()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = body_of(handler)
        text = json.dumps(request.get("messages") or request.get("message"), ensure_ascii=False)
        found = MARKER.search(text)
        marker = found[0] if found else ""
        with self.changed:
            ask = self.asked[marker]
            self.asked[marker] += 1
            self.paths[handler.path] += 1
            self.requests[marker].append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.changed.notify_all()
            if self.most_in_flight < self.hold_until:
                enough = lambda: self.most_in_flight >= self.hold_until  # noqa: E731
                self.changed.wait_for(enough, timeout=LONGEST_WAIT)
        if self.latency:
            self.closing.wait(self.latency)
        faults = self.faults.get(marker, ())
        fault = faults[ask] if ask < len(faults) else Fault()
        with self.changed:
            self.in_flight -= 1  # first, as the client may send a request right after the answer
        self._send(handler, request, text, marker, fault)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        request: Mapping[str, Any],
        text: str,
        marker: str,
        fault: Fault,
    ) -> None:
        if fault.hang:
            self.closing.wait(LONGEST_WAIT)
            handler.close_connection = True
            return
        said = self._said(request, text, marker, fault)
        content = json.dumps(said).encode()
        if fault.broken:
            content = content[: len(content) // 2]
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        start_answer(handler, fault.status, len(content), headers)
        if fault.truncated:
            handler.wfile.write(content[: len(content) // 2])
            handler.close_connection = True
            return
        is_paid = fault.status == 200 and not fault.broken
        with self.changed:
            handler.wfile.write(content)
            self._paid[marker] += is_paid
            n_paid = self.n_paid
        if is_paid and self.on_paid:
            self.on_paid(n_paid)

    def _said(
        self, request: Mapping[str, Any], text: str, marker: str, fault: Fault
    ) -> dict[str, Any]:
        if fault.status != 200:
            return {"error": {"message": "not now", "type": "stub"}, "message": "not now"}
        questions = questions_about(marker)
        plain = self.reply(text) if self.reply else self.shape.format(*questions)
        arguments = None if self.reply else {"questions": questions}
        if fault.text is not None:
            plain, arguments = fault.text, None
        if "message" in request:
            return _cohere_v1(request, plain, arguments)
        if request["model"].startswith("command"):
            return _cohere_v2(request, plain, arguments)
        return _openai(request, plain, arguments)


def _openai(
    request: Mapping[str, Any], plain: str, arguments: Mapping[str, Any] | None
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": plain}
    if arguments and request.get("tools"):
        name = request["tools"][0]["function"]["name"]
        call = {"name": name, "arguments": json.dumps(arguments)}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        }
    elif arguments and request.get("response_format"):
        message["content"] = json.dumps(arguments)
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [choice],
        "usage": usage,
    }


def _cohere_v1(
    request: Mapping[str, Any], plain: str, arguments: Mapping[str, Any] | None
) -> dict[str, Any]:
    said: dict[str, Any] = {"text": plain, "generation_id": "1", "finish_reason": "COMPLETE"}
    if arguments and request.get("tools"):
        said["text"] = ""
        said["tool_calls"] = [{"name": request["tools"][0]["name"], "parameters": arguments}]
    return said


def _cohere_v2(
    request: Mapping[str, Any], plain: str, arguments: Mapping[str, Any] | None
) -> dict[str, Any]:
    text = json.dumps(arguments) if arguments and request.get("response_format") else plain
    content = [{"type": "text", "text": text}]
    return {
        "id": "1",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": content},
        "usage": {"tokens": {"input_tokens": 10, "output_tokens": 10}},
    }
