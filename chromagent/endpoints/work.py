"""The work for one request, which may end early: late, its client gone, its worker ending. Hides how a task is told so, once."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from chromagent.endpoints.asgi import ClientLeft, Receive


class Work:
    """A context around what the current task does for a request whose body has been read. `among`: all works that are being done.

    Once it must end, the task is cancelled, and the context raises the reason instead: what `late` returns at the deadline (on the
    event loop's clock), `ClientLeft`, or what `end` was given. The first one counts.
    """

    def __init__(self, receive: Receive, deadline: float, late: Callable[[], Exception], among: "set[Work]") -> None:
        self._receive = receive
        self._deadline = deadline
        self._late = late
        self._among = among
        self._reason: Exception | None = None

    def __enter__(self) -> Self:
        """Begin to watch."""
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._task = task
        self._cancelling = task.cancelling()
        self._timer = loop.call_at(self._deadline, self._end_late)
        self._watcher = loop.create_task(self._watch())
        self._among.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop watching. Somebody else's cancellation stays one."""
        self._timer.cancel()
        self._watcher.cancel()
        self._among.discard(self)
        task = self._task
        # A cancelled task keeps its error, whose traceback leads through frames to this object. If this object led back to the
        # tasks, or kept an error, each request would leave a cycle behind: it holds the request's memory until the garbage
        # collector runs, and collecting thousands of them at once stops the event loop.
        del self._timer, self._watcher, self._task
        reason, self._reason = self._reason, None
        if reason is None or task.uncancel() > self._cancelling:
            return
        if isinstance(error, asyncio.CancelledError):
            raise reason from error

    def end(self, reason: Exception) -> None:
        """End the work, unless it is ending already."""
        if self._reason is None and self in self._among:
            self._reason = reason
            self._task.cancel()

    def _end_late(self) -> None:
        self.end(self._late())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.end(ClientLeft())
