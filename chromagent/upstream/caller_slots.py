"""Places for work that may take long, of which one caller gets only a part."""

import asyncio
from typing import Final

_Waiting = dict[str, tuple[asyncio.Semaphore, int]]


class CallerSlots:
    """At most `per_caller` pieces of work of each caller at the same time, and `total` of all callers."""

    def __init__(self, total: int, *, per_caller: int) -> None:
        self._total: Final = asyncio.Semaphore(total)
        self._per_caller: Final = per_caller
        self._callers: _Waiting = {}
        """Those that have a slot or wait for one: their slots, and how many have or want one."""

    async def acquire(self, caller: str) -> None:
        """Wait for a slot. Whoever has one gives it back with `release`."""
        own, users = self._callers.get(caller) or (asyncio.Semaphore(self._per_caller), 0)
        self._callers[caller] = own, users + 1
        try:
            await own.acquire()
            try:
                await self._total.acquire()
            except asyncio.CancelledError:
                own.release()
                raise
        except asyncio.CancelledError:
            self._forget(caller)
            raise

    def release(self, caller: str) -> None:
        """Give a slot back."""
        self._total.release()
        self._callers[caller][0].release()
        self._forget(caller)

    def _forget(self, caller: str) -> None:
        own, users = self._callers[caller]
        if users == 1:
            del self._callers[caller]
        else:
            self._callers[caller] = own, users - 1
