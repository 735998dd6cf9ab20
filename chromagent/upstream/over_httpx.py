"""Any httpx transport as an engine: what tests give in place of the network. A deployed worker never imports this."""

import asyncio
from collections.abc import Mapping

import httpx

from chromagent.errors import UpstreamTimeout, UpstreamUnreachable
from chromagent.upstream.engine import UpstreamRequest


class HttpxEngine:
    """See `engine.Engine`."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def send(self, request: UpstreamRequest) -> "HttpxAnswer":
        """Hand the request to the transport."""
        timeout = httpx.Timeout(request.idle_timeout).as_dict()
        asked = httpx.Request(
            "POST", request.url, headers=dict(request.headers), content=request.content, extensions={"timeout": timeout}
        )
        with _faults():
            return HttpxAnswer(await self._transport.handle_async_request(asked))

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


class HttpxAnswer:
    """See `engine.Answer`."""

    def __init__(self, answer: httpx.Response) -> None:
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        self._stream = answer.stream
        self._pieces = aiter(answer.stream)
        self.status: int = answer.status_code
        self.headers: Mapping[str, str] = answer.headers

    async def read(self) -> bytes:
        """Return the next piece that is not empty."""
        with _faults():
            async for piece in self._pieces:
                if piece:
                    return piece
        return b""

    async def close(self) -> None:
        """Close the transport's stream, also for one who is being cancelled."""
        await asyncio.shield(self._stream.aclose())


class _faults:  # noqa: N801 - reads as a statement: with _faults():
    """Turn httpx's exceptions into ours, at this one border."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            raise UpstreamTimeout from error
        if isinstance(error, httpx.HTTPError | httpx.StreamError):
            raise UpstreamUnreachable from error
