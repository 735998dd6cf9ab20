"""The fake upstream, far cheaper than any server under test: canned bytes over a bare protocol on uvloop, by path.

Paths with `anthropic` or `/messages` are answered as Claude, others as Gemini; `stream` in the path or the body asks for a stream.
`/shape?…` sets how streams look until the next such call. `/computeMetadata/…` answers as Google's metadata server.
"""

import asyncio
import re
import sys
import time
from typing import Final, NamedTuple, cast
from urllib.parse import parse_qs

import uvloop

from tools.bench import canned
from tools.bench.canned import Wire

HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nvary: Origin\r\nserver: scaffolding on HTTPServer2\r\n%b\r\n\r\n"
STREAM_HEAD: Final = HEAD % (b"text/event-stream", b"transfer-encoding: chunked")
NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
METADATA: Final = {
    "/": (b"text/plain", b"computeMetadata/"),
    "/computeMetadata/v1/project/project-id": (b"text/plain", b"p"),
    "/computeMetadata/v1/universe/universe-domain": (b"text/plain", b"googleapis.com"),
    "/computeMetadata/v1/universe/universe_domain": (b"text/plain", b"googleapis.com"),
    "/computeMetadata/v1/instance/service-accounts/default/": (
        b"application/json",
        b'{"aliases":["default"],"email":"functions@p.iam.gserviceaccount.com",'
        b'"scopes":["https://www.googleapis.com/auth/cloud-platform"]}',
    ),
    "/computeMetadata/v1/instance/service-accounts/default/token": (
        b"application/json",
        b'{"access_token":"simulated","expires_in":3599,"token_type":"Bearer"}',
    ),
}
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM: Final = re.compile(rb'"stream": ?true')


class Shape(NamedTuple):
    """How a stream looks: so many events, so many in one write, a pause in seconds after each write, the time in each text."""

    events: int = 100
    burst: int = 1
    pause: float = 0.0
    stamped: bool = False

    @property
    def query(self) -> str:
        """The shape as `/shape` takes it."""
        return f"events={self.events}&burst={self.burst}&pause={self.pause}&stamped={int(self.stamped)}"


def read_shape(query: str) -> Shape:
    """Read what `Shape.query` wrote."""
    given = {name: values[-1] for name, values in parse_qs(query).items()}
    return Shape(int(given["events"]), int(given["burst"]), float(given["pause"]), given["stamped"] == "1")


class Upstream:
    """What all connections share."""

    def __init__(self) -> None:
        self.shape = Shape()
        self.loop = asyncio.get_running_loop()

    def whole(self, content_type: bytes, body: bytes, more: bytes = b"") -> bytes:
        """Frame a complete answer."""
        return HEAD % (content_type, b"content-length: %d%b" % (len(body), more)) + body


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests on it come one after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._pieces: list[bytes] = []
        self._missing: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        if self._missing is None:
            whole = b"".join(self._pieces)
            end = whole.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(whole, 0, end + 2)
            self._missing = (int(length[1]) if length else 0) - (len(whole) - end - 4)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            request = b"".join(self._pieces)
            self._pieces, self._missing = [], None
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        target = request[: request.index(b"\r\n")].split(b" ")[1].decode()
        path, _, query = target.partition("?")
        if request.startswith(b"POST "):
            self._model(target, request)
        elif path == "/shape":
            self._upstream.shape = read_shape(query)
            self._transport.write(self._upstream.whole(b"text/plain", b"ok"))
        elif known := METADATA.get(path):
            self._transport.write(self._upstream.whole(*known, b"\r\nMetadata-Flavor: Google"))
        else:
            self._transport.write(NOT_FOUND)

    def _model(self, target: str, request: bytes) -> None:
        wire: Wire = "claude" if "anthropic" in target or "/messages" in target else "gemini"
        if "stream" in target or (wire == "claude" and _STREAM.search(request)):
            shape = self._upstream.shape
            self._transport.write(STREAM_HEAD + canned.OPENING[wire])
            self._send(wire, shape, 0)
        else:
            self._transport.write(self._upstream.whole(b"application/json; charset=UTF-8", canned.UNARY[wire]))

    def _send(self, wire: Wire, shape: Shape, sent: int) -> None:
        """Write the next events, and come back after the pause."""
        count = min(shape.burst, shape.events - sent)
        event = canned.STAMPED[wire] % time.monotonic() if shape.stamped else canned.EVENT[wire]
        data = event * count
        if sent + count >= shape.events:
            self._transport.write(data + canned.CLOSING[wire] + canned.END)
            return
        self._transport.write(data)
        self._timer = self._upstream.loop.call_later(shape.pause, self._send, wire, shape, sent + count)


async def serve(port: int) -> None:
    """Listen until the process is ended."""
    upstream = Upstream()
    server = await upstream.loop.create_server(lambda: Connection(upstream), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
