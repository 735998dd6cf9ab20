"""An upstream of bare sockets: it says exactly the bytes that a test scripted, and knows which connections are still open.

It runs in the test's own event loop, so a test can wait for what it saw.
"""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import pytest

from chromagent.upstream.client import UpstreamClient, UpstreamRequest

ASYNCIO = pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio")
UVLOOP = pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")
LOOPS = [ASYNCIO, UVLOOP]
"""For the fixture `anyio_backend`: the event loop of a laptop and the one that is deployed."""


class Act(Enum):
    """What an upstream can do beside saying something and waiting."""

    ECHO = auto()
    """Say the request's body, in two chunks."""
    EARLY = auto()
    """Go on before the request's body is read."""
    CLOSE = auto()
    """Say nothing more and close in order."""
    CUT = auto()
    """Close the socket without TLS's own farewell."""
    RESET = auto()
    """Break the connection."""
    HANG = auto()
    """Do nothing until the client closes."""


def head(status: str = "200 OK", *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1")


def document(content: bytes = b"{}", status: str = "200 OK", *fields: str) -> bytes:
    """A whole answer with its length."""
    return head(status, f"content-length: {len(content)}", *fields) + content


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


CHUNKED = head("200 OK", "transfer-encoding: chunked")
LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class RawUpstream:
    """Each request gets the next script; the last one serves again and again. A connection stays open after a script of bytes."""

    scripts: list[Sequence[Any]]
    port: int = 0
    heads: list[bytes] = field(default_factory=list[bytes])
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a first request has come."""
    bodies: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0
    protocols: list[str | None] = field(default_factory=list[str | None])
    """What TLS agreed on, for each connection."""
    sent: int = 0
    """Bytes that the kernel took."""
    running: dict[Any, asyncio.StreamWriter] = field(default_factory=dict[Any, asyncio.StreamWriter])
    """Connections that the clients have not closed, by the tasks that serve them."""

    async def open_becomes(self, count: int) -> bool:
        """Wait until no more than so many connections are open; say whether that came to pass, and exactly so."""
        while len(self.running) > count:
            done, _ = await asyncio.wait(list(self.running), timeout=5, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return False
        return len(self.running) == count

    async def all_closed(self) -> bool:
        """Wait until the clients have closed all connections; say whether that came to pass."""
        return await self.open_becomes(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        tls = writer.get_extra_info("ssl_object")
        self.protocols.append(tls and tls.selected_alpn_protocol())
        task = asyncio.current_task()
        assert task is not None
        self.running[task] = writer
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, RuntimeError, asyncio.CancelledError):
            pass  # the client is gone, in uvloop's words by a RuntimeError; or the test is over
        finally:
            del self.running[task]
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", request)
        assert length is not None
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.heads.append(request)
        self.asked.set()
        content = b"" if Act.EARLY in script else await reader.readexactly(int(length[1]))
        self.bodies.append(content)
        if Act.ECHO in script:
            half = len(content) // 2
            script = [CHUNKED + chunk(content[:half]), 0.001 * (content[-1] % 5), chunk(content[half:]) + LAST_CHUNK]
        for step in script:
            if not await self._do(step, reader, writer):
                return False
        return True

    async def _do(self, step: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Do one step; say whether the connection goes on."""
        match step:
            case Act.EARLY:
                return True
            case Act.CLOSE:
                writer.close()
            case Act.CUT:
                writer.transport.abort()
            case Act.RESET:
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            case Act.HANG:
                while await reader.read(65536):
                    pass
            case float():
                await asyncio.sleep(step)
                return True
            case _:
                writer.write(step)
                await writer.drain()
                self.sent += len(step)
                return True
        return False


@asynccontextmanager
async def serving(
    *scripts: Sequence[Any], host: str = "127.0.0.1", trust: ssl.SSLContext | None = None
) -> AsyncIterator[RawUpstream]:
    """Serve scripts, one for each request. Every connection that the test left open ends here."""
    upstream = RawUpstream(list(scripts))
    server = await asyncio.start_server(upstream.serve, host, 0, ssl=trust, limit=2**24)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for task, writer in upstream.running.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.sleep(0.01)  # so that both sides see the end


def request_to(
    upstream: RawUpstream, content: bytes = b'{"a":1}', *, path: str = "/x", idle: float = 5.0, **headers: str
) -> UpstreamRequest:
    return UpstreamRequest(f"http://127.0.0.1:{upstream.port}{path}", headers, content, idle)


async def post(client: UpstreamClient, request: UpstreamRequest) -> bytes:
    return (await client.post(request)).content


async def stream(client: UpstreamClient, request: UpstreamRequest) -> bytes:
    async with streamed(client, request) as reads:
        return b"".join([read async for read in reads])


@asynccontextmanager
async def streamed(client: UpstreamClient, request: UpstreamRequest) -> AsyncGenerator[AsyncGenerator[bytes]]:
    """Give the reads of an answer; leaving lets go of it."""
    answer = await client.send(request)

    async def reads() -> AsyncGenerator[bytes]:
        while read := await answer.read():
            yield read

    try:
        yield reads()
    finally:
        await answer.close()
