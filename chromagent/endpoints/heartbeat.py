"""Signs of life of a stream whose model is silent: the status after a while, then comments. One timer a stream, none a chunk.

The same timer notices a client that does not read. The server writes nothing more while the client has 64 kB to read, so a chunk
waits, and the comment that is due after it waits too; `stalled` is called when it has waited for `WRITE_TIMEOUT` seconds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from chromagent.endpoints import asgi
from chromagent.endpoints.render import KEEP_ALIVE


class Heartbeat:
    """Starts the reply when the first chunk comes or `first` seconds passed; then writes a comment after `every` silent seconds.

    Used as a context around the work of one stream. `stop` before the last piece: no comment may come after it.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[None]],
        write: Callable[[bytes], Awaitable[None]],
        stalled: Callable[[], None],
        *,
        first: float,
        every: float,
    ) -> None:
        self._start = start
        self._write = write
        self._stalled = stalled
        self._first = first
        self._every = every
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._sign: asyncio.Task[None] | None = None
        self._started = False
        self._last = 0.0

    async def __aenter__(self) -> Self:
        """Begin to wait for the first chunk."""
        self._last = self._loop.time()
        self._timer = self._loop.call_later(self._first, self._ring)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop. Where the work failed, a sign that a client does not take is given up: nobody else would end the wait for it."""
        if error is not None and self._sign is not None:
            self._sign.cancel()
        await self.stop()

    async def start(self) -> None:
        """Start the reply now, if it has not started."""
        if self._sign is not None:
            await asyncio.wait({self._sign})
        if not self._started:
            self._started = True
            await self._start()
            self._schedule()

    def beat(self) -> None:
        """Note that a chunk is about to be written."""
        self._last = self._loop.time()

    async def stop(self) -> None:
        """Write no more signs, and wait for one that is being written: pieces must not mix."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sign is not None:
            await asyncio.wait({self._sign})

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._last + self._every, self._ring)

    def _ring(self) -> None:
        """Give a sign if there was silence since; else look again when it could be due."""
        if self._started and self._loop.time() < self._last + self._every - 0.001:
            self._schedule()
            return
        self._sign = self._loop.create_task(self._give_sign())

    async def _give_sign(self) -> None:
        try:
            async with asyncio.timeout(asgi.WRITE_TIMEOUT):
                await self._write_sign()
        except TimeoutError:
            self._stalled()

    async def _write_sign(self) -> None:
        if not self._started:
            self._started = True
            await self._start()
        self._last = self._loop.time()
        await self._write(KEEP_ALIVE)
        if self._timer is not None:
            self._schedule()
