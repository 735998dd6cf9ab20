"""How many requests of one caller run at the same time in this instance."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from chromagent.errors import RateLimited

RETRY_AFTER: Final = 1.0
"""Seconds; nobody knows when one of the running requests will end."""


class ConcurrentRequests:
    """Counts running requests by caller; one integer each."""

    def __init__(self) -> None:
        self._running: dict[str, int] = {}

    @contextmanager
    def one(self, caller: str, limit: int) -> Generator[None]:
        """Count a request while the context lasts. Raises `RateLimited`."""
        running = self._running.get(caller, 0)
        if running >= limit:
            raise RateLimited(
                f"This key has {running} requests running in this instance, which is its limit. Try again when one has ended.",
                retry_after=RETRY_AFTER,
                retryable=False,
            )
        self._running[caller] = running + 1
        try:
            yield
        finally:
            if self._running[caller] == 1:
                del self._running[caller]
            else:
                self._running[caller] -= 1
