"""The one way to the upstreams. Hides which HTTP engine is under it, and how answers are encoded.

Every fault of the transport leaves as a `GatewayError`; a status of the upstream is no fault here.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple

from chromagent import __version__
from chromagent.errors import UpstreamInvalidResponse
from chromagent.upstream.content import Decoder, open_decoder
from chromagent.upstream.engine import Answer, Engine, UpstreamRequest
from chromagent.upstream.pool import ConnectionPool

if TYPE_CHECKING:
    import httpx

__all__ = ["OpenReply", "Reply", "UpstreamClient", "UpstreamRequest"]

LARGEST_REPLY: Final = 64 * 1024 * 1024
"""Bytes of a complete answer, decoded."""

_NAMES: Final = {"user-agent": f"chromagent/{__version__}", "x-goog-api-client": f"chromagent/{__version__}"}


class Reply(NamedTuple):
    """A complete answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class OpenReply(NamedTuple):
    """An answer whose body is still coming; `reads` gives it as it arrives and must be used within the context it came from."""

    status: int
    headers: Mapping[str, str]
    reads: AsyncIterator[bytes]


class UpstreamClient:
    """All upstream connections of this worker, opened with the first request: a pool must not be older than the fork.

    Connections are their event loop's: where another one goes on with this client, it begins with none.
    """

    def __init__(self, transport: "httpx.AsyncBaseTransport | None" = None) -> None:
        self._transport = transport
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def post(self, request: UpstreamRequest) -> Reply:
        """Send and read the whole answer. Raises `UpstreamUnreachable`, `UpstreamTimeout` or `UpstreamInvalidResponse`."""
        async with self.stream(request) as reply:
            pieces: list[bytes] = []
            size = 0
            async for piece in reply.reads:
                size += len(piece)
                if size > LARGEST_REPLY:
                    raise UpstreamInvalidResponse("The model provider's answer is too large.")
                pieces.append(piece)
            return Reply(reply.status, reply.headers, b"".join(pieces))

    def stream(self, request: UpstreamRequest) -> "_Exchange":
        """Send and read as it comes, in a context; leaving it lets go of the connection. Raises the same, also while reading."""
        loop = asyncio.get_running_loop()
        if self._engine is None or self._loop is not loop:
            self._engine, self._loop = _open_engine(self._transport), loop
        return _Exchange(
            self._engine, request._replace(headers=_NAMES | {name.lower(): text for name, text in request.headers.items()})
        )

    async def close(self) -> None:
        """Drop the connections without work. Running requests go on and keep none."""
        if self._engine is not None:
            await self._engine.close()


def _open_engine(transport: "httpx.AsyncBaseTransport | None") -> Engine:
    if transport is None:
        return ConnectionPool()
    from chromagent.upstream.over_httpx import HttpxEngine  # noqa: PLC0415 - a worker needs no httpx

    return HttpxEngine(transport)


class _Exchange:
    """A request and its answer, as a context."""

    def __init__(self, engine: Engine, request: UpstreamRequest) -> None:
        self._engine = engine
        self._request = request
        self._answer: Answer | None = None

    async def __aenter__(self) -> OpenReply:
        self._answer = answer = await self._engine.send(self._request)
        try:
            decoder = open_decoder(answer.headers)
        except UpstreamInvalidResponse:
            await answer.close()
            raise
        return OpenReply(answer.status, answer.headers, _Reads(answer) if decoder is None else _decode(answer, decoder))

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._answer is not None:
            await self._answer.close()


class _Reads:
    """The body as it arrives."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if piece := await self._answer.read():
            return piece
        raise StopAsyncIteration


async def _decode(answer: Answer, decoder: Decoder) -> AsyncIterator[bytes]:
    while piece := await answer.read():
        if content := decoder.feed(piece):
            yield content
    decoder.finish()
