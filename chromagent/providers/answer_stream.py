"""One streamed answer of one copy, read to its end. Hides reads, events, what comes after a fault in the same read, and that an
answer may go on in another one. What an event means is the translator's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from chromagent.codec import JsonObject
from chromagent.errors import GatewayError, UpstreamTimeout, UpstreamUnreachable
from chromagent.sse import SSEDecoder
from chromagent.translators.protocol import Delta, StreamTranslator
from chromagent.upstream.engine import Answer

MOST_RESUMPTIONS: Final = 3
"""Answers in a row without any event, broken off or not, after which a stream is still resumed (wire-gemini §3.9)."""
DRAIN: Final = 0.2
"""Seconds given to a finished stream to close, so that its connection can serve again."""


class AnswerStream:
    """Read until nothing comes, then closed; closing early lets go of the connection.

    `send` sends the request, or the body that goes on with its answer, and returns an answer whose status is good.
    `until`: when all must be over, on the event loop's clock; None where somebody else watches over that.
    """

    def __init__(
        self, translator: StreamTranslator, send: Callable[[JsonObject | None], Awaitable[Answer]], until: float | None
    ) -> None:
        self._translator = translator
        self._send = send
        self._body: JsonObject | None = None
        self._until = until
        self._decoder = SSEDecoder()
        self._answer: Answer | None = None
        self._over = False
        """Whether nothing more is to be read of this answer."""
        self._fault: GatewayError | None = None
        self._vain = 0
        """Answers since the last event."""
        self._finished = False

    async def read(self) -> list[Delta]:
        """Return what came, waiting for it if need be; nothing at the end. Raises `GatewayError`, after all that came before it."""
        while not self._finished:
            try:
                if self._answer is None:
                    self._answer = await self._send(self._body)
                while not self._over:
                    read = self._answer.read() if self._until is None else _in_time(self._answer, self._until)
                    if deltas := self._feed(await read):
                        return deltas
                if self._fault is not None:
                    raise self._fault
                await _drain(self._answer)
            except UpstreamUnreachable:
                lost = self._vain >= MOST_RESUMPTIONS or self._translator.continuation() is None
                if lost and not self._translator.complete:
                    raise
            await self.close()
            self._vain += 1
            self._body = self._translator.continuation() if self._vain <= MOST_RESUMPTIONS else None
            if self._body is None:
                self._finished = True
                return self._translator.finish()
            self._decoder, self._over, self._fault = SSEDecoder(), False, None
        return []

    async def close(self) -> None:
        """Let go of the connection."""
        if self._answer is not None:
            answer, self._answer = self._answer, None
            await answer.close()

    def _feed(self, data: bytes) -> list[Delta]:
        """Feed the events of one read, the last of which is empty. A fault waits until what came before it was returned."""
        deltas: list[Delta] = []
        feed = self._translator.feed
        try:
            for event in self._decoder.feed(data) if data else self._decoder.finish():
                self._vain = 0
                deltas += feed(event)
        except GatewayError as fault:
            self._fault = fault
        self._over = not data or self._fault is not None or self._translator.done
        return deltas


async def _in_time(answer: Answer, until: float) -> bytes:
    """Read, until then, however short the silence was before."""
    try:
        async with asyncio.timeout_at(until):
            return await answer.read()
    except TimeoutError as error:
        raise UpstreamTimeout from error


async def _drain(answer: Answer) -> None:
    """Read to the end of input, which is nearly always there already."""
    try:
        async with asyncio.timeout(DRAIN):
            while await answer.read():
                pass
    except (TimeoutError, GatewayError):
        return
