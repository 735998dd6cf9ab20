"""Ends a worker whose event loop has been blocked for too long, so that the server starts another one.

The event loop sets a timer of the operating system anew every second. The timer counts the processor time of this process; once
it has used `MAX_BLOCKED` seconds without the loop having had a turn, the signal SIGPROF writes where each thread is to stderr
(names of files and functions only) and ends the process. Nothing of Python runs for that, so that it also helps where one call
into C blocks.

Processor time, not time: Cloud Run gives an instance without requests hardly any, for minutes. gunicorn's own timeout counts
those, and kills a healthy worker with the first request afterwards; functions-framework sets it to the timeout of the function,
which is an hour.
"""

import asyncio
import faulthandler
import signal
import sys
import threading
from typing import Final

MAX_BLOCKED = 30.0
"""Seconds of processor time. The largest request takes less than one on the event loop."""
TICK: Final = 1.0


class Watchdog:
    """That of one worker."""

    def __init__(self) -> None:
        self._installed = False

    def install(self) -> None:
        """Begin to watch the running event loop; once a worker."""
        if self._installed or threading.current_thread() is not threading.main_thread():
            return
        self._installed = True
        faulthandler.register(signal.SIGPROF, file=sys.__stderr__ or 2, all_threads=True, chain=True)
        self._tick(asyncio.get_running_loop())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        signal.setitimer(signal.ITIMER_PROF, MAX_BLOCKED)
        loop.call_later(TICK, self._tick, loop)
