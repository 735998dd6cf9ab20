"""The load generator: bare HTTP over asyncio protocols, so that it costs less than what it drives. Each answer is checked whole.

Latencies, first bytes and delays are in seconds.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, cast

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STAMP: Final = re.compile(rb"@(\d{10}\.\d{6})@")
PATIENCE: Final = 120.0
"""Seconds for one answer; longer counts as an error."""


@dataclass(slots=True)
class Answer:
    """One answer. `body` is without HTTP's chunk framing."""

    status: int
    body: bytes
    asked: float
    """When it was asked for, on the monotonic clock."""
    first_byte: float
    took: float
    delays: list[float]
    """How long each stamped event was on its way."""


Check = Callable[[Answer], bool]


@dataclass
class Outcome:
    """What a batch of requests brought."""

    latencies: list[float] = field(default_factory=list[float])
    first_bytes: list[float] = field(default_factory=list[float])
    delays: list[float] = field(default_factory=list[float])
    open_between: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """First and last byte of each answer, on the monotonic clock."""
    errors: int = 0
    took: float = 0.0

    def add(self, answer: Answer) -> None:
        """Count an answer that was complete."""
        self.latencies.append(answer.took)
        self.first_bytes.append(answer.first_byte)
        self.delays += answer.delays
        self.open_between.append((answer.asked + answer.first_byte, answer.asked + answer.took))

    def most_open(self) -> int:
        """Return how many answers were under way at the same time, at most."""
        steps = sorted([(start, 1) for start, _ in self.open_between] + [(end, -1) for _, end in self.open_between])
        return max(accumulate(step for _, step in steps), default=0)


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionError("closed before the answer was complete"))

    def close(self) -> None:
        """Leave."""
        self._transport.close()

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read the whole answer. Raises `OSError` when the connection breaks, `TimeoutError`."""
        self._waiter = self._loop.create_future()
        self._head: bytes | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._length: int | None = None
        self._delays: list[float] = []
        self._first_byte = 0.0
        self._asked = time.monotonic()
        self._transport.write(request)
        return await asyncio.wait_for(self._waiter, PATIENCE)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()  # a loop's own clock may be as coarse as a millisecond
        if self._head is None:
            data = self._take_head(data)
            if self._head is None:
                return
        if not data and self._length != 0:
            return
        if not self._pieces:
            self._first_byte = now - self._asked
        self._pieces.append(data)
        self._size += len(data)
        if b"@" in data:
            self._delays += [now - float(stamp) for stamp in _STAMP.findall(data)]
        if self._is_complete():
            self._finish(now)

    def _take_head(self, data: bytes) -> bytes:
        """Return what of the read belongs to the body."""
        whole = b"".join(self._pieces) + data
        head, found, rest = whole.partition(b"\r\n\r\n")
        if not found:
            self._pieces = [whole]
            return b""
        self._pieces = []
        self._head = head
        length = _LENGTH.search(head)
        self._length = int(length[1]) if length else None
        return rest

    def _is_complete(self) -> bool:
        if self._length is not None:
            return self._size >= self._length
        tail = self._pieces[-1] if len(self._pieces[-1]) >= 5 else b"".join(self._pieces[-5:])
        return tail.endswith(b"0\r\n\r\n")

    def _finish(self, now: float) -> None:
        assert self._head is not None
        assert self._waiter is not None
        body = b"".join(self._pieces)
        if self._length is None:
            body = _unchunk(body)
        if not self._waiter.done():
            self._waiter.set_result(
                Answer(int(self._head[9:12]), body, self._asked, self._first_byte, now - self._asked, self._delays)
            )


async def connect(port: int) -> Connection:
    """Open a connection to a server of this machine. Raises `OSError`."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def closed_loop(port: int, request: bytes, check: Check, *, count: int, connections: int) -> Outcome:
    """Send `count` requests over some connections, each sending its next one when the last was answered."""
    outcome = Outcome()
    remaining = iter(range(count))

    async def work() -> None:
        connection = await connect(port)
        for _ in remaining:
            connection = await _ask(connection, port, request, check, outcome)
        connection.close()

    start = time.monotonic()
    await asyncio.gather(*(work() for _ in range(min(connections, count))))
    outcome.took = time.monotonic() - start
    return outcome


async def open_streams(port: int, request: bytes, check: Check, *, count: int, ramp: float) -> Outcome:
    """Open `count` streams, one connection each, spread over `ramp` seconds, and read all to their ends."""
    outcome = Outcome()

    async def work(number: int) -> None:
        await asyncio.sleep(ramp * number / count)
        try:
            connection = await connect(port)
        except OSError:
            outcome.errors += 1
            return
        (await _ask(connection, port, request, check, outcome)).close()

    await asyncio.gather(*(work(number) for number in range(count)))
    return outcome


async def _ask(connection: Connection, port: int, request: bytes, check: Check, outcome: Outcome) -> Connection:
    """Ask once and count; return a connection to go on with."""
    try:
        answer = await connection.ask(request)
    except (OSError, TimeoutError):
        outcome.errors += 1
        connection.close()
        return await connect(port)
    if check(answer):
        outcome.add(answer)
    else:
        outcome.errors += 1
    return connection


def _unchunk(data: bytes) -> bytes:
    pieces: list[bytes] = []
    place = 0
    while True:
        end = data.index(b"\r\n", place)
        size = int(data[place:end], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(data[end + 2 : end + 2 + size])
        place = end + size + 4
