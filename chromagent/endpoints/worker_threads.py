"""Work on large requests runs in threads of its own, so that the event loop goes on serving everybody else.

Two threads, and one piece of work of a caller at a time: a caller that sends one large request after the other keeps one thread
busy and leaves the other one free. The threads start with the first large request.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from chromagent.policy.request_memory import RequestShare
from chromagent.upstream.caller_slots import CallerSlots

T = TypeVar("T")

LARGE: Final = 64 * 1024
"""Bytes of a request from which it is large: below, its work takes about as long as handing it to a thread and back."""
THREADS: Final = 2


class WorkerThreads:
    """The threads of one worker."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._slots = CallerSlots(THREADS, per_caller=1)

    async def run(self, share: RequestShare, work: Callable[[], T]) -> T:
        """Do the work in a thread and return what it returns, or raise what it raises.

        A request that is cancelled meanwhile ends at once. Its thread goes on to the end, the result is dropped, and until then the
        request's memory stays counted and the caller's next work waits.
        """
        await self._slots.acquire(share.caller)
        if self._executor is None:
            self._executor = ThreadPoolExecutor(THREADS, "large-request")
        loop = asyncio.get_running_loop()
        share.retain()

        def done(_: "Future[T]") -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._release, share)

        future = self._executor.submit(work)
        future.add_done_callback(done)
        return await asyncio.wrap_future(future)

    def _release(self, share: RequestShare) -> None:
        self._slots.release(share.caller)
        share.release()
