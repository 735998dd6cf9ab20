"""A function on a real socket: keeps what reached it byte for byte, answers as it is told, and notices when its client leaves."""

import contextlib
import queue
import select
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOK = 0.02
"""Seconds between two looks at whether the client is still there."""


@dataclass
class Received:
    """One request as it arrived. Names of headers are in lower case, in their order, repeated ones repeated."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known == name]


@dataclass
class Answer:
    """What to say. `pieces` make a chunked body: bytes are sent at once, an event is waited for. Status and headers go out with
    the first bytes. Without pieces the body is whole.
    """

    status: int = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),)
    body: bytes = b'{"ok":true}'
    pieces: Sequence[bytes | threading.Event] = ()


@dataclass
class SocketFunction:
    """The server, seen from a test."""

    url: str
    answer: Answer = field(default_factory=Answer)
    received: "queue.Queue[Received]" = field(default_factory=queue.Queue)
    client_left: threading.Event = field(default_factory=threading.Event)

    def forget(self) -> None:
        """Start anew: an answer that is whole, nothing received, nobody left."""
        self.answer, self.received, self.client_left = Answer(), queue.Queue(), threading.Event()

    def last(self) -> Received:
        """Return the request that arrived; fails when there is none."""
        return self.received.get(timeout=5)


@contextmanager
def serving() -> Iterator[SocketFunction]:
    """Serve on a loopback port in threads of this process."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.function = SocketFunction(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.function
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    function: SocketFunction


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def do_GET(self) -> None:
        function = self.server.function
        answer = function.answer
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        function.received.put(Received(self.command, self.path, headers, body))
        if answer.pieces:
            self._stream(function, answer)
        else:
            self._start(answer, ("content-length", str(len(answer.body))))
            self.wfile.write(b"" if self.command == "HEAD" else answer.body)

    do_HEAD = do_POST = do_OPTIONS = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _stream(self, function: SocketFunction, answer: Answer) -> None:
        started = False
        for piece in answer.pieces:
            if isinstance(piece, threading.Event):
                if not self._await(piece):
                    function.client_left.set()
                    self.close_connection = True
                    return
                continue
            if not started:
                self._start(answer, ("transfer-encoding", "chunked"))
                started = True
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _start(self, answer: Answer, framing: tuple[str, str]) -> None:
        self.send_response(answer.status)
        for name, value in (*answer.headers, framing):
            self.send_header(name, value)
        self.end_headers()

    def _await(self, event: threading.Event) -> bool:
        """Wait for the event; False when the client left before it."""
        while not event.wait(LOOK):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return False
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing."""
