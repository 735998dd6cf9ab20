"""The gateway's own limits: requests of an address, requests and tokens of a key. Hides how rates are read, and faults of storages.

Requests count in moving windows. Tokens count in fixed ones: a moving window keeps an entry for each unit, and a minute of tokens
is millions of them (docs/adr/0009). The library that reads rates is imported with the first limit that is used, because it costs a
cold start 170 ms, and 380 ms more with Redis.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from msgspec import Struct

from chromagent import telemetry
from chromagent.errors import LimiterUnavailable, RateLimited, TokensLimited

if TYPE_CHECKING:
    from limits import RateLimitItem

    from chromagent.policy.limit_storages import Storage

T = TypeVar("T")

COMPLAIN_EVERY: Final = 10.0
"""Seconds between log lines about a storage that is away."""


class LimitRules(Struct, frozen=True):
    """What the owner set; rates in the notation of the `limits` library, None where there is no limit."""

    per_ip: str | None = None
    per_key: str | None = None
    tokens_per_key: str | None = None
    storage: str = "memory://"
    open_when_away: bool = True
    """Whether callers are let in while the storage is away, or refused."""
    weights: Mapping[str, int] = {}
    """How many requests one request of a route counts as; 1 where a route is not named."""


class Taken(NamedTuple):
    """Tokens taken from one window of a key's allowance: no more than the window holds."""

    item: "RateLimitItem"
    key: str
    tokens: int
    ends: float
    """Epoch second at which the window ends; what is settled later no longer belongs to it."""


Reservation = tuple[Taken, ...]
"""What was taken, of every window, before it is known how many tokens a request will need."""


class Limiter:
    """Counts. Every method lets the caller in, raises `RateLimited`, or raises `LimiterUnavailable` where that is configured."""

    def __init__(self, rules: LimitRules, clock: Callable[[], float] = time.time) -> None:
        self.rules = rules
        self._clock = clock
        self._storage: Storage | None = None
        self._items: dict[str, list[RateLimitItem]] = {}
        self._complained = float("-inf")

    async def admit_address(self, address: str, route: str) -> None:
        """Count a request of an address."""
        if self.rules.per_ip:
            await self._count(self.rules.per_ip, f"ip:{address}", route)

    async def admit_key(self, key: str, rate: str | None, route: str) -> dict[str, str]:
        """Count a request of a key under its own rate or that of all keys; return OpenAI's headers of what is left."""
        rate = rate or self.rules.per_key
        return await self._count(rate, f"key:{key}", route) if rate else {}

    async def reserve(self, key: str, rate: str | None, tokens: int) -> tuple[Reservation | None, dict[str, str]]:
        """Take an estimate of tokens from a key's allowance. Raises `TokensLimited`."""
        rate = rate or self.rules.tokens_per_key
        if not rate:
            return None, {}
        found = await self._guarded(lambda: self._reserve(rate, f"tokens:{key}", tokens))
        return found if found is not None else (None, {})

    async def settle(self, reservation: Reservation | None, tokens: int | None) -> None:
        """Replace an estimate by what was used; None leaves it. Raises nothing, and goes on where the request is cancelled:
        clients leave just then.
        """
        if reservation is None or tokens is None:
            return
        try:
            await asyncio.shield(self._guarded(lambda: self._replace(reservation, tokens)))
        except LimiterUnavailable:
            return

    async def close(self) -> None:
        """Close the connections to the storage."""
        if self._storage is not None:
            await self._storage.close()

    async def _count(self, rate: str, key: str, route: str) -> dict[str, str]:
        cost = self.rules.weights.get(route, 1)
        found = await self._guarded(lambda: self._hit(rate, key, cost)) if cost else {}
        return found or {}

    async def _hit(self, rate: str, key: str, cost: int) -> dict[str, str]:
        storage = self._open()
        headers: dict[str, str] = {}
        for item in self._parsed(rate):
            hit = await storage.hit(item, key, min(cost, item.amount))
            wait = max(0.0, hit.resets - self._clock())
            told = _headers("requests", item.amount, hit.left, wait)
            if not hit.admitted:
                message = f"Rate limit of {item} reached. Try again in {_duration(wait)}."
                raise _with_headers(RateLimited(message, retry_after=wait, retryable=False), told)
            headers = _tightest(headers, told)
        return headers

    async def _reserve(self, rate: str, key: str, tokens: int) -> tuple[Reservation, dict[str, str]]:
        storage = self._open()
        headers: dict[str, str] = {}
        reservation: Reservation = ()
        for item in self._parsed(rate):
            cost = min(tokens, item.amount)
            used, ends = await storage.add(item, key, cost)
            taken = Taken(item, key, cost, ends)
            reservation = (*reservation, taken)
            wait = max(0.0, ends - self._clock())
            if used > item.amount:
                await self._replace(reservation, 0)
                before = used - taken.tokens
                message = (
                    f"Token limit of {item} reached: {before} used, {taken.tokens} more needed. Try again in {_duration(wait)}."
                )
                told = _headers("tokens", item.amount, item.amount - before, wait)
                raise _with_headers(TokensLimited(message, retry_after=wait, retryable=False), told)
            headers = _tightest(headers, _headers("tokens", item.amount, item.amount - used, wait))
        return reservation, headers

    async def _replace(self, reservation: Reservation, tokens: int) -> None:
        """Count so many tokens instead of what was taken, in every window that has not ended."""
        storage = self._open()
        for taken in reservation:
            if tokens != taken.tokens and self._clock() < taken.ends:
                await storage.add(taken.item, taken.key, tokens - taken.tokens)

    def _open(self) -> "Storage":
        if self._storage is None:
            from chromagent.policy.limit_storages import open_storage  # noqa: PLC0415 - few owners set limits

            self._storage = open_storage(self.rules.storage, self._clock)
        return self._storage

    def _parsed(self, rate: str) -> "list[RateLimitItem]":
        if rate not in self._items:
            from limits import parse_many  # noqa: PLC0415

            self._items[rate] = parse_many(rate)
        return self._items[rate]

    async def _guarded(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do the work; None where the storage is away and callers are let in then."""
        try:
            return await work()
        except RateLimited:
            raise
        except Exception as error:
            now = self._clock()
            if now - self._complained >= COMPLAIN_EVERY:
                self._complained = now
                consequence = "callers are let in" if self.rules.open_when_away else "callers are refused"
                telemetry.write_warning(f"the storage of rate limits is away: {consequence}", {"reason": type(error).__name__})
            if self.rules.open_when_away:
                return None
            raise LimiterUnavailable from error


def _with_headers(error: RateLimited, headers: dict[str, str]) -> RateLimited:
    error.headers = headers
    return error


def _headers(kind: str, limit: int, remaining: int, reset: float) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(limit),
        f"x-ratelimit-remaining-{kind}": str(max(0, remaining)),
        f"x-ratelimit-reset-{kind}": _duration(reset),
    }


def _tightest(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """Of several windows tell the one with the least left."""
    if not one:
        return other
    name = next(header for header in one if "remaining" in header)
    return min(one, other, key=lambda headers: int(headers[name]))


def _duration(seconds: float) -> str:
    """Write seconds as OpenAI does: 20ms, 1s, 6m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
