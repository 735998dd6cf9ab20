"""One HTTP/1.1 connection of the client's side. Hides bytes, framing, flow control and the clock of an exchange.

The syntax is llhttp's (through httptools), in its strict mode. What it leaves to us: answers that end with the connection,
provisional answers, sizes, and which fault is whose: a lost connection is `UpstreamUnreachable`, what is no HTTP is
`UpstreamInvalidResponse`.
"""

import asyncio
import select
from typing import Final, cast

from httptools import HttpParserError, HttpResponseParser

from chromagent.errors import GatewayError, UpstreamInvalidResponse, UpstreamTimeout, UpstreamUnreachable

LARGEST_BUFFER: Final = 64 * 1024
"""Bytes of a body that wait for their reader; beyond them the socket is not read (one more read may have come)."""
LARGEST_FRAMING: Final = 64 * 1024
"""Bytes that may come in a row without one of a body: a head, trailers, provisional answers."""


class Connection(asyncio.Protocol):
    """One socket, which serves one exchange after another."""

    __slots__ = (
        "_closed",
        "_fault",
        "_framing",
        "_head_came",
        "_held",
        "_lasting",
        "_loop",
        "_parser",
        "_patience",
        "_paused",
        "_pieces",
        "_running",
        "_timer",
        "_transport",
        "_waiter",
        "_waiting_since",
        "_whole",
        "answered",
        "headers",
        "idle_since",
        "status",
    )

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._paused = False
        self._running = False
        self.idle_since = 0.0
        self._forget()

    def _forget(self) -> None:
        """Forget the last exchange."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.answered = False
        """Whether a byte of the answer came."""
        self._head_came = False
        self._whole = False
        self._lasting = False
        self._fault: GatewayError | None = None
        self._held = 0
        self._framing = 0
        self._pieces.clear()

    # The exchange

    @property
    def usable(self) -> bool:
        """Whether a request may be sent, as far as anybody can know."""
        return not (self._closed or self._transport is None or self._transport.is_closing())

    @property
    def silent(self) -> bool:
        """Whether the upstream said nothing since the last exchange: what waits in the kernel, the event loop has not seen yet."""
        if self._transport is None:
            return False
        waiting = select.poll()
        waiting.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not waiting.poll(0)

    async def send(self, head: bytes, content: bytes, idle_timeout: float) -> None:
        """Send a request and wait for the head of its answer. The connection is dropped if that fails."""
        self._running = True
        self._patience = idle_timeout
        self._waiting_since = self._loop.time()
        self._timer = self._loop.call_later(idle_timeout, self._check_patience)
        try:
            await self._ask(head, content)
        except BaseException:
            self.drop()
            raise

    async def _ask(self, head: bytes, content: bytes) -> None:
        if self._transport is None or not self.usable:
            raise UpstreamUnreachable
        self._transport.writelines([head, content])
        while not self._head_came:
            if self._fault is not None:
                raise self._fault
            await self._next()

    async def read(self) -> bytes:
        """Return all of the body that has arrived, waiting for it if need be; nothing at the end."""
        pieces = self._pieces
        while not pieces:
            if self._whole:
                return b""
            if self._fault is not None:
                raise self._fault
            await self._next()
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._held = 0
        self._resume()
        return content

    def finish(self) -> bool:
        """End the exchange; say whether the connection may serve another one. It is dropped if not."""
        serves = self._running and self._whole and self._lasting and self.usable
        if not serves or self._transport is None or self._transport.get_write_buffer_size():
            self.drop()  # also if answered early: the next request would wait behind the rest of this one
            return False
        self._running = False
        self._timer.cancel()
        self._resume()
        self._forget()
        self.idle_since = self._loop.time()
        return True

    def drop(self) -> None:
        """Close the socket at once. Nothing is flushed, so it cannot wait for the other side."""
        if self._running:
            self._running = False
            self._timer.cancel()
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> "asyncio.Future[None]":
        """Return what is done when something has come."""
        self._waiting_since = self._loop.time()
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_patience(self) -> None:
        """Fail if the reader has waited for too long; else look again when that may be so. One timer serves a whole exchange."""
        now = self._loop.time()
        waits = self._waiter is not None and not self._waiter.done()
        remaining = (self._waiting_since if waits else now) + self._patience - now
        if remaining > 0:
            self._timer = self._loop.call_later(remaining, self._check_patience)
        else:
            self._fail(UpstreamTimeout())

    def _fail(self, fault: GatewayError) -> None:
        if not self._whole and self._fault is None:
            self._fault = fault
        self._closed = True
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    # The event loop's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take one read of the socket."""
        if not self._running:  # nobody asked, so whatever it says, it must not be taken for the next answer
            self._end()
            return
        self.answered = True
        self._framing += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            fault = UpstreamInvalidResponse()
            fault.__cause__ = error
            self._fail(fault)
            return
        if self._framing > LARGEST_FRAMING and not self._whole:
            self._fail(UpstreamInvalidResponse())
        elif self._held > LARGEST_BUFFER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take an orderly end: of the connection, as nothing more will be asked on it, and of a body that has no other end."""
        if self._head_came and not self.headers.keys() & {"content-length", "transfer-encoding"}:
            self._whole = True
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection. One that is not orderly (a reset, TLS cut short) may have lost something."""
        del exc
        self._end()
        self._transport = None
        del self._parser  # it leads back here, and nothing more will be parsed

    def _end(self) -> None:
        if not self._closed:
            self._fail(UpstreamUnreachable())

    # The parser's calls

    def on_message_begin(self) -> None:
        """Begin an answer, provisional or final. Bytes after the final one are a fault of the connection, not of the answer."""
        if self._whole:
            raise ValueError("an answer that nobody asked for")
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; fields of the same name become one, trailers are not read."""
        if self._head_came:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """Take the end of a head."""
        self.status = self._parser.get_status_code()
        if self.status == 101:
            raise ValueError("a protocol that nobody asked for")
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise ValueError("a transfer coding that nobody asked for")
        self._head_came = self.status >= 200

    def on_body(self, content: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(content)
        self._held += len(content)
        self._framing = 0

    def on_message_complete(self) -> None:
        """Take the end of an answer."""
        if self._head_came:
            self._whole = True
            self._lasting = self._parser.should_keep_alive()
