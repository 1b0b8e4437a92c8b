"""HTTP clients that limit the time and the size of every answer, for any SDK that takes one."""

import asyncio
import zlib
from typing import Any

import httpx

from query_adapters.providers.deadline import deadline, observe_deadlines
from query_adapters.providers.failures import redacted_line
from query_adapters.providers.logs import redact_logs

SECONDS = 120.0  # a whole request with its answer
MOST_BYTES = 256 * 2**20  # 2,048 vectors of 3,072 numbers in JSON are 140 MB
MOST_REDIRECTS = 5
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
ENCODINGS = {"Accept-Encoding": "gzip"}  # the only one that is read, because its size is bounded
COMPRESSED = ("gzip", "x-gzip", "deflate")
REPLACED = ("content-encoding", "content-length", "transfer-encoding")
LOGGERS = (
    "httpx", "openai", "openai._base_client", "openai._legacy_response", "openai._response",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)  # fmt: skip
"""They log addresses, which may hold a password, and headers."""


class UnusableAnswerError(httpx.RemoteProtocolError):
    """Raised for a successful answer that is no JSON object, which every provider's API sends."""


class LimitedClient(httpx.Client):
    """An `httpx.Client` of a provider's API that limits the time and the size of every answer.

    The time covers the whole request: connection, redirects, headers and body, however slowly they
    arrive. The size is that of the decompressed body. A successful answer that is no JSON object,
    such as the page of a proxy, is refused. Requests with `stream=True` are not limited.

    Args:
        seconds: The most seconds that a request and its answer take.
        most_bytes: The most bytes of an answer's body.
        **options: As in `httpx.Client`.
    """

    def __init__(
        self, *, seconds: float = SECONDS, most_bytes: int = MOST_BYTES, **options: Any
    ) -> None:
        super().__init__(**_with_defaults(options, seconds))
        self.seconds, self.most_bytes = seconds, most_bytes
        observe_deadlines([self._transport, *self._mounts.values()])

    def send(
        self, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """Return the answer to the request, read to its end.

        Raises:
            httpx.ReadTimeout: If it is not complete in time.
            httpx.DecodingError: If it is too large, or its compression cannot be read.
            httpx.TooManyRedirects: If it is the sixth redirect in a row.
            UnusableAnswerError: If it is successful, but no JSON object.
        """
        if stream:
            return super().send(request, stream=True, **options)
        options["follow_redirects"] = False  # each answer is limited, also that of a redirect
        try:
            with deadline(self.seconds):
                return self._whole(request, options)
        except httpx.ReadTimeout as exc:
            raise _not_in_time(request) from exc

    def _whole(self, request: httpx.Request, options: dict[str, Any]) -> httpx.Response:
        for _ in range(MOST_REDIRECTS + 1):
            response = super().send(request, stream=True, **options)
            try:
                body = _Body(response, self.most_bytes)
                for chunk in response.iter_raw():
                    body.add(chunk)
            finally:
                response.close()
            if response.next_request is None:
                return body.response()
            request = response.next_request
        raise _too_many_redirects(request)


class LimitedAsyncClient(httpx.AsyncClient):
    """The asynchronous `LimitedClient`, with the same arguments."""

    def __init__(
        self, *, seconds: float = SECONDS, most_bytes: int = MOST_BYTES, **options: Any
    ) -> None:
        super().__init__(**_with_defaults(options, seconds))
        self.seconds, self.most_bytes = seconds, most_bytes

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """Return the answer to the request, read to its end; otherwise as `LimitedClient.send`."""
        if stream:
            return await super().send(request, stream=True, **options)
        try:
            async with asyncio.timeout(self.seconds):
                return await self._whole(request, options | {"follow_redirects": False})
        except (TimeoutError, httpx.ReadTimeout) as exc:
            raise _not_in_time(request) from exc

    async def _whole(self, request: httpx.Request, options: dict[str, Any]) -> httpx.Response:
        for _ in range(MOST_REDIRECTS + 1):
            response = await super().send(request, stream=True, **options)
            try:
                body = _Body(response, self.most_bytes)
                async for chunk in response.aiter_raw():
                    body.add(chunk)
            finally:
                await response.aclose()
            if response.next_request is None:
                return body.response()
            request = response.next_request
        raise _too_many_redirects(request)


class _Body:
    """The body of an answer, decompressed as it arrives.

    Args:
        response: The answer, of which the headers have arrived.
        most_bytes: The most bytes that the body may have.
    """

    def __init__(self, response: httpx.Response, most_bytes: int) -> None:
        self._response, self._most_bytes = response, most_bytes
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity", *COMPRESSED):
            raise self._unreadable(f"expected gzip or no compression, got {encoding[:40]!r}")
        self._gzip = zlib.decompressobj(GZIP_OR_ZLIB) if encoding in COMPRESSED else None
        self._content = bytearray()

    def add(self, chunk: bytes) -> None:
        """Add bytes as they came over the network."""
        while chunk:
            room = self._most_bytes - len(self._content) + 1
            piece, chunk = self._decompressed(chunk, room)
            self._content += piece
            if len(self._content) > self._most_bytes:
                raise self._unreadable(f"the answer has more than {self._most_bytes:,} bytes")

    def response(self) -> httpx.Response:
        """Return the answer with its body."""
        if self._gzip is not None and self._content and not self._gzip.eof:
            raise httpx.ReadError("the compressed answer is truncated", request=self._request)
        self._check_json_object()
        old = self._response
        headers = [(k, v) for k, v in old.headers.multi_items() if k.lower() not in REPLACED]
        whole = httpx.Response(
            old.status_code,
            headers=headers,
            content=bytes(self._content),
            request=old.request,
            extensions=old.extensions,
        )
        whole.elapsed = old.elapsed
        return whole

    def _check_json_object(self) -> None:
        """Check the first and last character, which is cheap; the SDK parses the rest."""
        content = self._content.strip()
        ends = content[:1] + content[-1:]
        if self._response.is_success and ends != b"{}":
            status = self._response.status_code
            came = redacted_line(content[:1000].decode(errors="replace")) if content else "nothing"
            raise UnusableAnswerError(
                f"expected a JSON object, got {came!r} with status {status}", request=self._request
            )

    @property
    def _request(self) -> httpx.Request:
        return self._response.request

    def _decompressed(self, chunk: bytes, room: int) -> tuple[bytes, bytes]:
        """Return at most `room` bytes of the body, and what is left of the chunk."""
        if self._gzip is None:
            return chunk, b""
        if self._gzip.eof:  # a file of several parts
            self._gzip = zlib.decompressobj(GZIP_OR_ZLIB)
        try:
            piece = self._gzip.decompress(chunk, room)
        except zlib.error as exc:
            raise self._unreadable(f"the compressed answer cannot be read ({exc})") from exc
        return piece, self._gzip.unconsumed_tail or self._gzip.unused_data

    def _unreadable(self, why: str) -> httpx.DecodingError:
        return httpx.DecodingError(why, request=self._request)


def _with_defaults(options: dict[str, Any], seconds: float) -> dict[str, Any]:
    redact_logs(*LOGGERS)
    headers = {**ENCODINGS, **options.pop("headers", {})}
    return {"timeout": seconds, **options, "headers": headers}


def _not_in_time(request: httpx.Request) -> httpx.ReadTimeout:
    return httpx.ReadTimeout("the answer was not complete in time", request=request)


def _too_many_redirects(request: httpx.Request) -> httpx.TooManyRedirects:
    return httpx.TooManyRedirects(f"more than {MOST_REDIRECTS} redirects", request=request)
