"""A fake upstream inside the process: says what it was scripted to say, and keeps what it was sent."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from chromagent import codec


@dataclass
class Scripted:
    """One answer. `reads` are the pieces of the body as they arrive; an exception among them breaks the connection there."""

    status: int = 200
    reads: Sequence[bytes | Exception | float] = ()
    """A number is a pause in seconds."""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: Exception | None = None


def json_answer(body: object, status: int = 200, **headers: str) -> Scripted:
    return Scripted(status, [codec.encode(body)], {"content-type": "application/json", **headers})


def sse_answer(*events: object, line_end: str = "\n", named: bool = False) -> Scripted:
    """Events as one read each; a string is sent as it is."""
    reads = [event.encode() if isinstance(event, str) else _frame(event, line_end, named=named) for event in events]
    return Scripted(200, reads, {"content-type": "text/event-stream"})


def _frame(event: object, line_end: str, *, named: bool) -> bytes:
    name = f"event: {event['type']}{line_end}" if named and isinstance(event, dict) else ""
    return f"{name}data: {codec.encode_text(event)}{line_end}{line_end}".encode()


@dataclass
class Sent:
    """One request that came."""

    url: str
    headers: Mapping[str, str]
    body: Any


class ScriptedUpstream(httpx.AsyncBaseTransport):
    """Gives the scripted answers in order; the last one again and again."""

    def __init__(self, *answers: Scripted) -> None:
        self.answers = list(answers)
        self.sent: list[Sent] = []
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        self.sent.append(Sent(str(request.url), dict(request.headers), codec.decode(content) if content else None))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.failure is not None:
            raise answer.failure
        return httpx.Response(answer.status, headers=dict(answer.headers), stream=_Body(answer.reads, self))


class _Body(httpx.AsyncByteStream):
    def __init__(self, reads: Sequence[bytes | Exception | float], upstream: ScriptedUpstream) -> None:
        self._reads = reads
        self._upstream = upstream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for read in self._reads:
            if isinstance(read, Exception):
                raise read
            if isinstance(read, float):
                await asyncio.sleep(read)
            else:
                yield read

    async def aclose(self) -> None:
        self._upstream.closed += 1
