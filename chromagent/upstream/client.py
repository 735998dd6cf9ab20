"""The connection pool. Hides the HTTP engine: changing it is a change of this file (docs/adr, decisions on dependencies).

Every fault of the transport leaves as a `GatewayError`; a status of the upstream is no fault here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx

from chromagent import __version__
from chromagent.errors import UpstreamTimeout, UpstreamUnreachable

CONNECT_TIMEOUT = 10.0
_NAMES = {"user-agent": f"chromagent/{__version__}", "x-goog-api-client": f"chromagent/{__version__}"}


class UpstreamRequest(NamedTuple):
    """One POST. `idle_timeout`: longest silence between two reads, in seconds."""

    url: str
    headers: Mapping[str, str]
    content: bytes
    idle_timeout: float


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
    """One pool for all upstream hosts of this worker, opened with the first request: a pool must not be older than the fork."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def post(self, request: UpstreamRequest) -> Reply:
        """Send and read the whole answer. Raises `UpstreamUnreachable` or `UpstreamTimeout`."""
        with _faults():
            answer = await self._pool().send(self._build(request))
            return Reply(answer.status_code, answer.headers, answer.content)

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest) -> AsyncGenerator[OpenReply]:
        """Send and read as it comes; leaving the context closes the connection. Raises the same, also while reading."""
        with _faults():
            answer = await self._pool().send(self._build(request), stream=True)
        try:
            yield OpenReply(answer.status_code, answer.headers, _read(answer))
        finally:
            # A cancelled request must not leave the connection half read: closing is shielded and quick, it only drops the socket.
            await asyncio.shield(answer.aclose())

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _pool(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                headers=_NAMES,
                follow_redirects=False,
                trust_env=False,  # a .netrc must not replace our credentials
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=60),
            )
        return self._client

    def _build(self, request: UpstreamRequest) -> httpx.Request:
        timeout = httpx.Timeout(request.idle_timeout, connect=min(CONNECT_TIMEOUT, request.idle_timeout))
        return self._pool().build_request(
            "POST", request.url, headers=dict(request.headers), content=request.content, timeout=timeout
        )


async def _read(answer: httpx.Response) -> AsyncIterator[bytes]:
    """Give the body as it arrives, decoded only where the upstream compressed against our wish."""
    reads = answer.aiter_bytes() if "content-encoding" in answer.headers else answer.aiter_raw()
    with _faults():
        async for piece in reads:
            yield piece


class _faults:  # noqa: N801 - reads as a statement: with _faults():
    """Turn the engine's exceptions into ours, at this one border."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.ConnectTimeout):
            raise UpstreamUnreachable from error
        if isinstance(error, httpx.TimeoutException):
            raise UpstreamTimeout from error
        if isinstance(error, httpx.HTTPError | httpx.StreamError):
            raise UpstreamUnreachable from error
