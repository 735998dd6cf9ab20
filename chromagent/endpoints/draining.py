"""The last seconds of a worker. Hides how SIGTERM is noticed beside the server's own handler, and how running answers are ended.

Cloud Run sends SIGTERM ten seconds before it kills (gcp-platform §3). Until then running answers go on and nothing is tried again;
a stream that would be cut ends in an error event instead.
"""

import asyncio
import signal
import threading
from types import FrameType, TracebackType
from typing import Final

from chromagent.errors import GatewayError, UpstreamTimeout, UpstreamUnavailable

GRACE: Final = 8.0
"""Seconds that running answers have after SIGTERM."""


class Drain:
    """One worker's way out."""

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self.running: set[asyncio.Timeout] = set()
        """The deadlines of the answers that are being made."""
        self._installed = False
        self.started = False
        self._ended = False

    def limit(self, deadline: float) -> "_Limit":
        """Return the context of an answer that is being made: it ends at its deadline, or with this worker, in a `GatewayError`."""
        return _Limit(self, deadline)

    def cut(self) -> GatewayError:
        """Return why an answer ended at its deadline: the end of this worker, or the upstream's silence."""
        return UpstreamUnavailable("The gateway is shutting down. Try again.") if self._ended else UpstreamTimeout()

    def install(self) -> None:
        """Listen for SIGTERM, before the server does; once a worker, from within its event loop."""
        if self._installed or threading.current_thread() is not threading.main_thread():
            return
        self._installed = True
        loop = asyncio.get_running_loop()
        inherited = signal.getsignal(signal.SIGTERM)

        def handle(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.begin)
            if callable(inherited):
                inherited(number, frame)

        signal.signal(signal.SIGTERM, handle)

    def begin(self) -> None:
        """Stop trying again, and end what still runs when the grace is over."""
        if not self.started:
            self.started = True
            asyncio.get_running_loop().call_later(self._grace, self._end)

    def _end(self) -> None:
        self._ended = True
        now = asyncio.get_running_loop().time()
        for limit in self.running:
            if not limit.expired():  # else its answer is being ended already, and cannot be told so again
                limit.reschedule(now)


class _Limit:
    """The time that one answer has."""

    def __init__(self, drain: Drain, deadline: float) -> None:
        self._drain = drain
        self._timeout = asyncio.timeout_at(deadline)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._drain.running.add(self._timeout)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._drain.running.discard(self._timeout)
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise self._drain.cut() from late
