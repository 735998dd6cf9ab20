"""One HTTP request and its reply over ASGI. Hides scopes, messages and how a client's leaving is noticed."""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

from chromagent.codec import JsonValue, encode
from chromagent.errors import InvalidRequest, RequestTimeout, RequestTooLarge

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
HeaderLine: TypeAlias = tuple[bytes, bytes]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

JSON: Final = "application/json"
BODY_SILENCE: Final = 30.0
"""Longest silence within a body, in seconds."""
WRITE_TIMEOUT: Final = 60.0
"""Seconds within which a client must take something of what was written; after that nobody reads."""
PIECE: Final = 256 * 1024
"""Bytes of a whole answer that are written at once: a client that does not read makes the server keep one piece, not all of it."""
_UNLAWFUL: Final = re.compile(r"[^\t -~\x80-\xff]")
"""What no header may hold; parts of values, such as the name of a model, come from clients."""
_LISTS: Final = frozenset({"x-forwarded-for", "cache-control", "anthropic-beta"})
"""Headers that we read as lists: several lines are one longer list (RFC 9110, 5.3)."""
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"


def _ignore(_: int) -> None:
    pass


class ClientLeft(Exception):
    """The client closed the connection; there is nobody to answer."""


class Request:
    """What came in."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._scope = scope
        self.receive = receive
        self.headers: dict[str, str] = _read_headers(scope["headers"])
        """Values by name in lower case; of a repeated header the last value counts, unless it is a list by its nature."""

    @property
    def query(self) -> str:
        """The query string, undecoded."""
        return self._scope.get("query_string", b"").decode("latin-1")

    @property
    def peer(self) -> str:
        """Address at the other end of the connection."""
        client = self._scope.get("client")
        return client[0] if client else ""

    async def body(self, limit: int, deadline: float = math.inf, received: Callable[[int], None] = _ignore) -> bytes:
        """Read the body, no further than the limit and until the deadline on the event loop's clock.

        `received` is called with the size of each piece, and may raise to refuse it.
        Raises `RequestTooLarge`, `RequestTimeout`, `InvalidRequest` or `ClientLeft`.
        """
        if "content-encoding" in self.headers and self.headers["content-encoding"].lower() != "identity":
            raise InvalidRequest("Compressed request bodies are not supported: send the JSON as it is.", code="invalid_encoding")
        return await self.encoded_body(limit, deadline, received)

    async def encoded_body(self, limit: int, deadline: float = math.inf, received: Callable[[int], None] = _ignore) -> bytes:
        """Read the body as it was sent, compressed or not. Raises `RequestTooLarge`, `RequestTimeout` or `ClientLeft`."""
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise _too_large(limit)
        try:
            return await self._read_body(limit, deadline, received)
        except TimeoutError as error:
            raise RequestTimeout from error

    async def _read_body(self, limit: int, deadline: float, received: Callable[[int], None]) -> bytes:
        body = bytearray()  # of one allocation: pieces of many bodies side by side leave gaps that double the memory
        more = True
        now = asyncio.get_running_loop().time
        async with asyncio.timeout(None) as patience:
            while more:
                patience.reschedule(min(deadline, now() + BODY_SILENCE))
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                piece = message.get("body", b"")
                if len(body) + len(piece) > limit:
                    raise _too_large(limit)
                received(len(piece))
                more = message.get("more_body", False)
                if not more and not body:  # as nearly always
                    return piece
                body += piece
        return bytes(body)


class Reply:
    """What goes out. `started` tells whether a status was sent: after that there is no other."""

    def __init__(self, send: Send, base: dict[str, HeaderLine]) -> None:
        self._send = send
        self._base = base
        self.headers: dict[str, str] = {}
        """Headers to send, instead of or beside those of every reply; may be added to until the reply starts."""
        self.status = 0
        self.size = 0
        self.ended = False
        self._before_end: list[Callable[[], Awaitable[None]]] = []
        self._settle: Callable[[], Awaitable[None]] | None = None

    @property
    def started(self) -> bool:
        """Whether the status went out."""
        return self.status != 0

    @property
    def is_open_stream(self) -> bool:
        """Whether events are being sent: what goes wrong now can only be told as an event."""
        return self.started and not self.ended and self.headers.get("content-type") == EVENT_STREAM

    def before_end(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done before the last piece is sent; what was asked for last is done first.

        An instance gets hardly any time of the processor once its answers are out (gcp-platform §3.5), so nothing may come after.
        """
        self._before_end.append(work)

    def settle_with(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done once, as soon as it is known how the request ended: before the headers of a whole answer, so that it
        may still add some, or before the last piece of a stream.
        """
        self._settle = work

    async def conclude(self) -> None:
        """Do what was to be done before the end, if it was not done yet: the end may never come where a client left."""
        await self._settle_once()
        while self._before_end:
            await self._before_end.pop()()

    async def json(self, status: int, value: JsonValue) -> None:
        """Send one JSON document."""
        await self.whole(status, encode(value), JSON)

    async def whole(self, status: int, body: bytes, content_type: str) -> None:
        """Send a complete body."""
        await self._settle_once()
        if status != 204:  # such an answer has no body, and RFC 9110 (8.6) forbids to give its length
            self.headers["content-length"] = str(len(body))
        await self.start(status, content_type)
        if len(body) <= PIECE:
            await self.write(body, last=True)
            return
        for start in range(0, len(body), PIECE):
            await self.write_in_time(body[start : start + PIECE], last=start + PIECE >= len(body))

    async def start(self, status: int, content_type: str) -> None:
        """Send status and headers."""
        if content_type:
            self.headers["content-type"] = content_type
        headers = list((self._base | _write_headers(self.headers)).values())
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes, *, last: bool = False) -> None:
        """Send a piece of the body; waits while the client reads slower than we write."""
        self.size += len(body)
        self.ended = last
        if last:
            await self.conclude()
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})

    async def write_in_time(self, body: bytes, *, last: bool = False) -> None:
        """Send a piece of the body. Raises `ClientLeft` where the client reads nothing for too long."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self.write(body, last=last)
        except TimeoutError as error:
            raise ClientLeft from error

    async def _settle_once(self) -> None:
        work, self._settle = self._settle, None
        if work is not None:
            await work()


def _read_headers(lines: Sequence[HeaderLine]) -> dict[str, str]:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}  # names are in lower case (ASGI)
    if len(headers) < len(lines):
        for name in _LISTS & headers.keys():
            headers[name] = ", ".join(value.decode("latin-1") for key, value in lines if key.decode("latin-1") == name)
    return headers


def _write_headers(headers: Mapping[str, str]) -> dict[str, HeaderLine]:
    values = "".join(headers.values())
    if values.isascii() and values.isprintable():  # as nearly always
        return {name: (name.encode(), value.encode()) for name, value in headers.items()}
    return {name: (name.encode(), _UNLAWFUL.sub("?", value).encode("latin-1")) for name, value in headers.items()}


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than {limit} bytes.")
