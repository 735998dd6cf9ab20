"""The one way to the upstreams. Hides which HTTP engine is under it, and how answers are encoded.

Every fault of the transport leaves as a `GatewayError`; a status of the upstream is no fault here.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from chromagent.errors import UpstreamInvalidResponse
from chromagent.upstream.content import Decoder, open_decoder
from chromagent.upstream.engine import Answer, Engine, UpstreamRequest
from chromagent.upstream.pool import ConnectionPool

if TYPE_CHECKING:
    import httpx

__all__ = ["Reply", "UpstreamClient", "UpstreamRequest"]

LARGEST_REPLY: Final = 64 * 1024 * 1024
"""Bytes of a complete answer, decoded."""


class Reply(NamedTuple):
    """A complete answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


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
        answer = await self.send(request)
        try:
            pieces: list[bytes] = []
            size = 0
            while piece := await answer.read():
                size += len(piece)
                if size > LARGEST_REPLY:
                    raise UpstreamInvalidResponse("The model provider's answer is too large.")
                pieces.append(piece)
            return Reply(answer.status, answer.headers, b"".join(pieces))
        finally:
            await answer.close()

    async def send(self, request: UpstreamRequest) -> Answer:
        """Send, and return the answer once its head came, its body decoded; whoever gets it closes it. Raises what `post` does."""
        loop = asyncio.get_running_loop()
        if self._engine is None or self._loop is not loop:
            self._engine, self._loop = _open_engine(self._transport), loop
        answer = await self._engine.send(request)
        try:
            decoder = open_decoder(answer.headers)
        except UpstreamInvalidResponse:
            await answer.close()
            raise
        return answer if decoder is None else _DecodedAnswer(answer, decoder)

    async def close(self) -> None:
        """Drop the connections without work. Running requests go on and keep none."""
        if self._engine is not None:
            await self._engine.close()


def _open_engine(transport: "httpx.AsyncBaseTransport | None") -> Engine:
    if transport is None:
        return ConnectionPool()
    from chromagent.upstream.over_httpx import HttpxEngine  # noqa: PLC0415 - a worker needs no httpx

    return HttpxEngine(transport)


class _DecodedAnswer:
    """An answer whose body came compressed (see `engine.Answer`)."""

    def __init__(self, answer: Answer, decoder: Decoder) -> None:
        self._answer = answer
        self._decoder = decoder
        self.status = answer.status
        self.headers = answer.headers

    async def read(self) -> bytes:
        """Return what has arrived and can be decoded."""
        while piece := await self._answer.read():
            if content := self._decoder.feed(piece):
                return content
        self._decoder.finish()
        return b""

    async def close(self) -> None:
        """Let go of the connection."""
        await self._answer.close()
