"""A fake Vertex AI on a loopback port that breaks HTTP on request: raw bytes, real sockets.

The request's last user text says what to do: `fault: NAME; case ID`. NAME is a script, which turns the moment into steps;
ID comes back in good answers, so that an answer that reached another request is noticed. Everything else is answered well.
"""

import asyncio
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from tests.support import answers


class Ending(Enum):
    """How a connection ends. A script without one leaves it open for the next request."""

    RESET = "reset"
    CLOSE = "close"
    HANG = "hang"
    """Say nothing more until the other side closes."""


Step: TypeAlias = bytes | float | Ending
"""What to send, seconds to wait, or the end."""


@dataclass(frozen=True)
class Moment:
    """One request that came."""

    wire: str
    streamed: bool
    word: str
    attempt: int
    used_before: bool
    """The connection served another request already."""


Script: TypeAlias = Callable[[Moment], Sequence[Step]]


def document(moment: Moment) -> bytes:
    """The body of a good whole answer."""
    make = answers.gemini_document if moment.wire == "gemini" else answers.claude_message
    return json.dumps(make(moment.word)).encode()


def events(moment: Moment) -> list[bytes]:
    """The events of a good stream; the first ones hold text already."""
    texts = (f"{moment.word[:2]}", moment.word[2:])
    stream = answers.gemini_stream(*texts) if moment.wire == "gemini" else answers.claude_stream(*texts)
    found = [read for read in stream.reads if isinstance(read, bytes)]
    return found if moment.wire == "gemini" else [b"".join(found[:3]), *found[3:]]


def kind(moment: Moment) -> str:
    return "text/event-stream" if moment.streamed else "application/json"


def head(status: int | str = 200, content_type: str = "application/json", *lines: str) -> bytes:
    """Status line and headers, the empty line included."""
    return "\r\n".join([f"HTTP/1.1 {status} X", f"content-type: {content_type}", *lines, "", ""]).encode()


def sized(body: bytes, status: int | str = 200, content_type: str = "application/json", *lines: str) -> bytes:
    """A whole answer with its length."""
    return head(status, content_type, f"content-length: {len(body)}", *lines) + body


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


LAST_CHUNK = b"0\r\n\r\n"


def chunked_head(moment: Moment, *lines: str) -> bytes:
    return head(200, kind(moment), "transfer-encoding: chunked", *lines)


def pieces(moment: Moment) -> list[bytes]:
    """The body of a good answer in the pieces in which it may arrive: events, or the document in two halves."""
    if moment.streamed:
        return events(moment)
    body = document(moment)
    return [body[:40], body[40:]]


def good(moment: Moment) -> list[Step]:
    if moment.streamed:
        return [chunked_head(moment), *[chunk(event) for event in events(moment)], LAST_CHUNK]
    return [sized(document(moment))]


@dataclass
class FaultyUpstream:
    """What the server saw. Its thread writes, tests read."""

    scripts: Mapping[str, Script]
    port: int = 0
    attempts: Counter[str] = field(default_factory=Counter[str])
    """Requests by case."""
    paths: list[str] = field(default_factory=list[str])
    open: int = 0
    """Connections that neither side closed."""
    busy: set[str] = field(default_factory=set[str])
    """Cases whose answer is still going on."""
    last: dict[int, str] = field(default_factory=dict[int, str])
    """The last case that each open connection served."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            used = False
            while await self._serve_request(reader, writer, used_before=used):
                used = True
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self.last.pop(id(writer), None)
            writer.close()

    async def _serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, used_before: bool) -> bool:
        start = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", start, re.IGNORECASE)
        body = await reader.readexactly(int(length[1]) if length else 0)
        path = start.split(b" ", 2)[1].decode()
        self.paths.append(path)
        asked = re.search(rb"fault: ([^;]*); case (\w+)", body)
        name, case = (asked[1].decode(), asked[2].decode()) if asked else ("", "none")
        self.attempts[case] += 1
        moment = Moment(
            wire="claude" if "awPredict" in path else "gemini",
            streamed="stream" in path,
            word=f"Hello-{case}",
            attempt=self.attempts[case],
            used_before=used_before,
        )
        self.busy.add(case)
        self.last[id(writer)] = case
        try:
            return await _play(self.scripts.get(name, good)(moment), reader, writer)
        finally:
            self.busy.discard(case)


async def _play(steps: Sequence[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Take the steps; say whether the connection may serve again."""
    for step in steps:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
            await asyncio.sleep(0)  # so that each piece is a write of its own
        elif isinstance(step, float):
            if await _gone(reader, step):
                return False
        elif step is Ending.HANG:
            await _gone(reader, None)
            return False
        else:
            _end(writer, step)
            return False
    return True


async def _gone(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """Wait; say whether the other side closed meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(1) == b""
    except TimeoutError:
        return False


def _end(writer: asyncio.StreamWriter, ending: Ending) -> None:
    if ending is Ending.RESET:
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing sends RST, not FIN
        writer.transport.abort()
    else:
        writer.close()


@contextmanager
def serving(scripts: Mapping[str, Script]) -> Iterator[FaultyUpstream]:
    """Serve in a thread of this process."""
    upstream = FaultyUpstream(scripts)
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(upstream.serve_connection, "127.0.0.1", 0, backlog=1024, limit=2**26)
        upstream.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    task = loop.create_task(serve())
    thread = threading.Thread(target=_run, args=(loop, task), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


def _run(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]") -> None:
    """Run until cancelled, and take the connections down with it."""
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        for one in asyncio.all_tasks(loop):
            one.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
    finally:
        loop.close()
