"""The connections to all upstream hosts of one worker. Hides addresses, TLS, reuse, and the request that meets a dying connection.

Connections are kept by origin, last in, first out, so that a few stay warm and the others age. Taking one, giving one back and
letting the aged ones go are each a step of constant cost.
"""

import asyncio
import socket
from collections import defaultdict, deque
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote, urlsplit

from chromagent.errors import Misconfigured, UpstreamUnreachable
from chromagent.upstream.engine import UpstreamRequest
from chromagent.upstream.http1 import Connection
from chromagent.upstream.tls import open_trust

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for name, TCP and TLS together."""
ADDRESS_TIMEOUT: Final = 2.0
"""Seconds after which an address gives way to the next one of the same name."""
KEPT_FOR: Final = 60.0
"""Seconds without work after which a connection is dropped; Google's front ends wait longer."""
MOST_KEPT: Final = 100
"""Connections without work, of one origin."""
STALE_WITHIN: Final = 1.0
"""Seconds within which the close of a connection that had already been closing arrives, generously."""

_SAFE: Final = "!$&'()*+,/:;=?@[]~%"
"""Characters of a path and query that stay as they are (RFC 3986)."""


_Address: TypeAlias = tuple[int, object]
"""Family and socket address."""


class Origin(NamedTuple):
    """Where connections go."""

    secure: bool
    host: str
    port: int


class Target(NamedTuple):
    """A URL taken apart: the origin, the value of `Host`, the path with its query."""

    origin: Origin
    host: str
    path: str


class PooledAnswer:
    """One answer (see `engine.Answer`). Once closed it no longer knows its connection, which may serve another."""

    def __init__(self, pool: "ConnectionPool", origin: Origin, connection: Connection) -> None:
        self._pool = pool
        self._origin = origin
        self._connection: Connection | None = connection
        self.status: int = connection.status
        self.headers: Mapping[str, str] = connection.headers

    def read(self) -> Awaitable[bytes]:
        """Return what has arrived, waiting for it if need be; nothing at the end."""
        if self._connection is None:
            raise RuntimeError("read after close")
        return self._connection.read()

    async def close(self) -> None:
        """Give the connection back, or drop it. Never suspends, so it cannot be cancelled half-way."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(self._origin, connection)


class ConnectionPool:
    """An engine (see `engine.Engine`) of one event loop."""

    def __init__(self) -> None:
        self._kept: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._most_kept = MOST_KEPT

    async def send(self, request: UpstreamRequest) -> PooledAnswer:
        """Send a request and wait for the head of its answer.

        A connection that was kept may be closing while the request is on its way to it. That shows as its end before any byte of an
        answer, and at once: then, and only then, the request is sent a second time, on a fresh connection. RFC 9110 §9.2.2 allows
        repeating a POST only where its meaning is known to be idempotent; that of a model call is: it changes nothing upstream.
        """
        try:
            target = _take_apart(request.url)
        except ValueError as error:
            raise Misconfigured("The address of the model provider is none.") from error
        head = _head(target, request)
        connection = self._take(target.origin)
        if connection is not None:
            started = asyncio.get_running_loop().time()
            try:
                await connection.send(head, request.content, request.idle_timeout)
                return PooledAnswer(self, target.origin, connection)
            except UpstreamUnreachable:
                if connection.answered or asyncio.get_running_loop().time() - started > STALE_WITHIN:
                    raise
        connection = await self._connect(target.origin, min(CONNECT_TIMEOUT, request.idle_timeout))
        await connection.send(head, request.content, request.idle_timeout)
        return PooledAnswer(self, target.origin, connection)

    async def close(self) -> None:
        """Drop the connections that wait for work; those at work are dropped when theirs is done."""
        self._most_kept = 0
        for origin in list(self._kept):
            self._let_go(origin, 0)

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection whose exchange is over, if it may serve again."""
        if connection.finish():
            self._kept[origin].append(connection)
            self._let_go(origin, self._most_kept)

    def _take(self, origin: Origin) -> Connection | None:
        self._let_go(origin, self._most_kept)
        kept = self._kept[origin]
        while kept:
            if (last := kept.pop()).usable and last.silent:
                return last
            last.drop()
        return None

    def _let_go(self, origin: Origin, most: int) -> None:
        """Drop what is too old or too much, the oldest first."""
        kept = self._kept[origin]
        aged = asyncio.get_running_loop().time() - KEPT_FOR
        while kept and (len(kept) > most or kept[0].idle_since < aged):
            kept.popleft().drop()

    async def _connect(self, origin: Origin, patience: float) -> Connection:
        connection = Connection()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience):
                sock = await _open(origin)
                try:
                    trust = open_trust() if origin.secure else None
                    name = origin.host if origin.secure else None
                    await loop.create_connection(lambda: connection, sock=sock, ssl=trust, server_hostname=name)
                except BaseException:
                    with suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)  # its transport closes it: asyncio's may outlive a cancelled handshake
                    raise
        except (OSError, UnicodeError) as error:  # also of TLS, and of time
            raise UpstreamUnreachable from error
        return connection


@lru_cache(maxsize=512)
def _take_apart(url: str) -> Target:
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode("ascii")
    secure = parts.scheme == "https"
    path = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    literal = f"[{host}]" if ":" in host else host
    named = literal if parts.port is None else f"{literal}:{parts.port}"
    return Target(Origin(secure, host, parts.port or (443 if secure else 80)), named, path)


def _head(target: Target, request: UpstreamRequest) -> bytes:
    """Write the request line and the header fields. Raises `Misconfigured` for a field that would be more than one."""
    fields = {
        "host": target.host,
        **{name: text for name, text in request.headers.items() if name != "transfer-encoding"},
        "content-length": str(len(request.content)),
    }
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items()), "", ""]
    head = "\r\n".join(lines)
    ends = len(lines) - 1
    if not head.isascii() or "\0" in head or head.count("\r") != ends or head.count("\n") != ends:
        raise Misconfigured("A header for the model provider holds characters that no header may hold.")
    return head.encode("ascii")


async def _open(origin: Origin) -> socket.socket:
    """Connect to the first address of a host that answers. Families take turns: one without a route costs little (RFC 8305)."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    addresses = _in_turn([(family, address) for family, _, _, _, address in found])
    for family, address in addresses[:-1]:
        try:
            async with asyncio.timeout(ADDRESS_TIMEOUT):
                return await _open_address(family, address)
        except OSError:
            continue
    return await _open_address(*addresses[-1])


def _in_turn(addresses: Sequence[_Address]) -> list[_Address]:
    first = [one for one in addresses if one[0] == addresses[0][0]]
    others = [one for one in addresses if one[0] != addresses[0][0]]
    return [one for one in chain.from_iterable(zip_longest(first, others)) if one is not None]


async def _open_address(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock
