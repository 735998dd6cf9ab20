"""When to try again. Pure: numbers in, seconds out."""

from collections.abc import Callable

from msgspec import Struct

from chromagent.errors import GatewayError

BASE = 0.5
CAP = 8.0
LONGEST_HINT = 10.0
"""Seconds: a longer `Retry-After` is the client's to wait, not ours (wire-anthropic §5.5)."""
LARGEST_TOTAL = 30.0


class Patience(Struct):
    """One request's willingness to wait, shared by all places it is tried at."""

    budget: float
    """Seconds of waiting left in all; its owner lowers it to the client's own deadline."""
    stopped: Callable[[], bool] = lambda: False
    """Says that there is no time left for anything but what runs already."""
    jitter: float = 0.5
    """A number in [0, 1), drawn by the owner once a request, so that many clients do not come back at the same moment."""

    def wait_after(self, error: GatewayError, *, attempt: int, retries: int) -> float | None:
        """Return the seconds to wait before trying again, or None to give up. `attempt` counts the tries at this place from 0."""
        if not error.retryable or attempt >= retries or self.stopped():
            return None
        delay = min(CAP, BASE * 2**attempt) * (0.75 + self.jitter / 2)
        if error.retry_after:  # 0 is no hint: as with the official clients, the usual wait stands
            if error.retry_after > LONGEST_HINT:
                return None
            delay = error.retry_after
        if delay > self.budget:
            return None
        self.budget -= delay
        return delay
