"""Where limits are counted: in this worker, or on a Redis for all of them. Hides windows, and the library that counts on Redis.

In a worker we count ourselves: the library's own memory hands every name that it knows to a thread with each request, so that many
callers make every request slow.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from limits import RateLimitItem

SWEEP_EVERY: Final = 60.0
"""Seconds after which windows that nobody used since are forgotten."""
MOST_CONNECTIONS: Final = 64
TURN_WITHIN: Final = 10.0
"""Seconds that a request waits for its turn on a connection: a burst is no reason to count the storage as away."""
ANSWER_WITHIN: Final = 2.0
"""Seconds that a storage has for an answer before it counts as away."""


class Hit(NamedTuple):
    """A request that asked to be counted: whether there was room, what is left, and the epoch second at which there is more."""

    admitted: bool
    left: int
    resets: float


class Count(NamedTuple):
    """What is used of a fixed window, which ends at an epoch second."""

    used: int
    ends: float


class Storage(Protocol):
    """Counts. Each window of a name (`RateLimitItem`) counts apart. Raises whatever its connection raises."""

    async def hit(self, item: "RateLimitItem", name: str, cost: int) -> Hit:
        """Count a request in a moving window, if there is room for it."""
        ...

    async def add(self, item: "RateLimitItem", name: str, amount: int) -> Count:
        """Add to the count of a fixed window, which begins with the first amount; a negative one takes back."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def open_storage(address: str, clock: Callable[[], float]) -> Storage:
    """Open `memory://` or `redis://…`; a connection is made with the first count."""
    return WorkerStorage(clock) if address == "memory://" else RedisStorage(address)


class WorkerStorage:
    """See `Storage`. Nothing here waits, so every count is exact."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hits: dict[str, list[float]] = {}
        """When each request came that still counts, or did when its name was used last. Lists: an empty deque takes 600 bytes."""
        self._counts: dict[str, Count] = {}
        self._ends: dict[str, float] = {}
        """When nothing of a name counts any more."""
        self._swept = clock()

    async def hit(self, item: "RateLimitItem", name: str, cost: int) -> Hit:
        """Count a request."""
        now, length = self._clock(), item.get_expiry()
        key = item.key_for(name)
        self._forget(now)
        hits = self._hits.setdefault(key, [])
        del hits[: bisect_left(hits, now - length)]
        admitted = len(hits) + cost <= item.amount
        if admitted:
            hits.extend([now] * cost)
            self._ends[key] = now + length
        return Hit(admitted, item.amount - len(hits), (hits[0] if hits else now) + length)

    async def add(self, item: "RateLimitItem", name: str, amount: int) -> Count:
        """Add to a count."""
        now = self._clock()
        key = item.key_for(name)
        self._forget(now)
        count = self._counts.get(key)
        if count is None or count.ends <= now:
            count = Count(0, now + item.get_expiry())
        self._counts[key] = count = Count(count.used + amount, count.ends)
        self._ends[key] = count.ends
        return count

    async def close(self) -> None:
        """Close nothing."""

    def _forget(self, now: float) -> None:
        """Forget from time to time what no longer counts."""
        if now - self._swept < SWEEP_EVERY:
            return
        self._swept = now
        for key in [key for key, ends in self._ends.items() if ends < now]:
            del self._ends[key]
            self._hits.pop(key, None)
            self._counts.pop(key, None)


class RedisStorage:
    """See `Storage`: the `limits` library's moving windows and counters."""

    def __init__(self, address: str) -> None:
        from limits.aio.strategies import MovingWindowRateLimiter  # noqa: PLC0415
        from limits.storage import storage_from_string  # noqa: PLC0415
        from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415

        self._pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType] - half typed there
            address,
            max_connections=MOST_CONNECTIONS,
            timeout=TURN_WITHIN,
            socket_timeout=ANSWER_WITHIN,
            socket_connect_timeout=ANSWER_WITHIN,
        )
        options = {"implementation": "redispy", "connection_pool": self._pool}
        storage = storage_from_string(f"async+{address}", **options)  # pyright: ignore[reportArgumentType] - typed for strings
        self._window = MovingWindowRateLimiter(storage)  # pyright: ignore[reportArgumentType] - async by its scheme

    async def hit(self, item: "RateLimitItem", name: str, cost: int) -> Hit:
        """Count a request."""
        admitted = await self._window.hit(item, name, cost=cost)
        stats = await self._window.get_window_stats(item, name)
        return Hit(admitted, stats.remaining, stats.reset_time)

    async def add(self, item: "RateLimitItem", name: str, amount: int) -> Count:
        """Add to a count."""
        storage = self._window.storage
        key = item.key_for(name)
        used = await storage.incr(key, item.get_expiry(), amount)
        return Count(used, await storage.get_expiry(key))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()
