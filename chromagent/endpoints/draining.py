"""The last seconds of a worker. Hides how SIGTERM is noticed beside the server's own handler, and how running answers are ended.

Cloud Run sends SIGTERM ten seconds before it kills (gcp-platform §3). Until then running answers go on and nothing is tried again;
a stream that would be cut ends in an error event instead.
"""

import asyncio
import signal
import threading
from types import FrameType
from typing import Final

from chromagent.endpoints.asgi import Receive
from chromagent.endpoints.work import Work
from chromagent.errors import UpstreamTimeout, UpstreamUnavailable

GRACE: Final = 8.0
"""Seconds that running answers have after SIGTERM."""


class Drain:
    """One worker's way out."""

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._works: set[Work] = set()
        self._installed = False
        self.started = False

    def work(self, receive: Receive, deadline: float) -> Work:
        """Return the context of an answer that is being made: at its deadline it ends in `UpstreamTimeout`, with this worker in
        `UpstreamUnavailable`.
        """
        return Work(receive, deadline, UpstreamTimeout, self._works)

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
        for work in self._works:
            work.end(UpstreamUnavailable("The gateway is shutting down. Try again."))
