"""Where limits are counted: in this worker, or on a Redis for all workers. Both do the same arithmetic.

**Requests** count in moving windows: the time of each request is kept until it is as old as the window.

**Tokens** are balances that may go into debt. A balance refills continuously at its rate, up to one window's amount. It is kept
as one number, the time at which it will be full again: `balance = amount - (full_at - now) * amount / seconds`. Taking tokens moves
that time into the future by `tokens * seconds / amount`. A balance that nobody touches needs no work, and one that is full needs no
entry. What is in flight is not taken from the balance: it is an estimate for each running request, held beside the balance and
dropped when the request is settled. The balances of one account are one entry, so another storage can keep them as one document.

All times that leave this module are relative, in seconds: a worker's own clock is monotonic, a Redis has a clock of its own.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from msgspec import Struct

from chromagent.schema.rates import Window

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

START_AVERAGE: Final = 500
"""Tokens that an answer of an account is expected to have before any was seen."""
AVERAGE_WEIGHT: Final = 0.2
"""Share of the newest answer in the moving average of an account's answers."""
AVERAGE_TTL: Final = 24 * 3600.0
"""Seconds after which the average of an account that asks nothing is forgotten."""
SWEEP_INTERVAL: Final = 60.0
"""Seconds between two searches for entries that no longer count."""
MAX_CONNECTIONS: Final = 64
POOL_TIMEOUT: Final = 10.0
"""Seconds that a request waits for a free connection: a burst is no reason to count the storage as unavailable."""
READ_TIMEOUT: Final = 2.0
"""Seconds that a storage has for an answer before it counts as unavailable."""
_ROUNDING: Final = 1e-3
"""Tokens by which a balance may be short: so much is lost where small amounts are added to large times."""


class Hit(NamedTuple):
    """One moving window after a request asked to be counted: whether it had room, what is left, seconds until there is more, and
    seconds until there is room for this request.
    """

    admitted: bool
    left: int
    resets: float
    wait: float


class Demand(NamedTuple):
    """What one request asks of the balances of an account, in tokens."""

    known: int
    """What is in flight with it, as far as the request itself says."""
    answers: int
    """How many answers of unknown length will come; each counts as the account's average."""
    needed: int
    """What each balance must hold, beyond all that is in flight, for the request to be admitted."""


class Balances(NamedTuple):
    """An account's balances after an operation: of tokens, and of seconds."""

    admitted: bool
    reserved: int
    """What the request is estimated to need; it is in flight from now on if it was admitted."""
    in_flight: int
    """The estimates of all running requests of the account."""
    until_full: tuple[float, ...]
    """For each window the seconds until its balance is full, if nothing more is taken."""


class Storage(Protocol):
    """Counts. Every operation is atomic. Raises whatever its connection raises."""

    remote: bool
    """Whether an operation waits for somebody else, so that it can be interrupted."""

    async def hit(self, name: str, windows: Sequence[Window], cost: int) -> list[Hit]:
        """Count a request in moving windows, in all or in none of them; it costs no more than a window holds."""
        ...

    async def admit(self, account: str, windows: Sequence[Window], reservation: str, demand: Demand, ttl: float) -> Balances:
        """Put a request in flight if every balance holds what it needs. The reservation is dropped after `ttl` seconds at last."""
        ...

    async def settle(
        self, account: str, windows: Sequence[Window], reservation: str, tokens: int, answer: float | None
    ) -> Balances:
        """Take what a request has cost from every balance, and drop its reservation. `answer`: what its average answer has cost."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def open_storage(address: str, clock: Callable[[], float]) -> Storage:
    """Open `memory://` or `redis://…`; a connection is made with the first count. The clock is a monotonic one, of this worker."""
    return MemoryStorage(clock) if address == "memory://" else RedisStorage(address)


def balance(window: Window, until_full: float) -> float:
    """Return the tokens that a balance holds; negative in debt."""
    return window.amount - until_full * window.amount / window.seconds


class _Account(Struct):
    """One account's balances. Times are those of the storage's clock."""

    used_at: float
    full_at: dict[Window, float] = {}
    """Of each balance that is not full."""
    reservations: dict[str, tuple[int, float]] = {}
    """Of each running request the tokens in flight, and when they are dropped at last; the oldest first."""
    in_flight: int = 0
    average: float = START_AVERAGE

    def advance(self, now: float) -> None:
        """Drop the reservations that nobody settled."""
        self.used_at = now
        while self.reservations:
            reservation, (_, expires) = next(iter(self.reservations.items()))
            if expires > now:
                return
            self.drop(reservation)

    def drop(self, reservation: str) -> None:
        tokens, _ = self.reservations.pop(reservation, (0, 0.0))
        self.in_flight -= tokens

    def until_full(self, windows: Sequence[Window], now: float) -> tuple[float, ...]:
        return tuple([max(0.0, self.full_at.get(window, now) - now) for window in windows])

    def matters(self, now: float) -> bool:
        """Say whether anything of it would be missed."""
        return now - self.used_at < AVERAGE_TTL or bool(self.reservations) or any(end > now for end in self.full_at.values())


class MemoryStorage:
    """See `Storage`. Nothing here waits, so every operation is atomic."""

    remote = False

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hits: dict[tuple[str, Window], list[float]] = {}
        """When each request came that still counts, or did when its name was used last. Lists: an empty deque takes 600 bytes."""
        self._ends: dict[tuple[str, Window], float] = {}
        """When nothing of a window counts any more."""
        self._accounts: dict[str, _Account] = {}
        self._swept_at = clock()

    async def hit(self, name: str, windows: Sequence[Window], cost: int) -> list[Hit]:
        """Count a request."""
        now = self._sweep()
        counted = [(window, min(cost, window.amount), self._current(name, window, now)) for window in windows]
        admitted = all(len(times) + part <= window.amount for window, part, times in counted)
        hits: list[Hit] = []
        for window, part, times in counted:
            missing = len(times) + part - window.amount
            if admitted:
                times.extend([now] * part)
                self._ends[name, window] = now + window.seconds
            resets = times[0] + window.seconds - now if times else 0.0
            wait = times[missing - 1] + window.seconds - now if missing > 0 else 0.0
            hits.append(Hit(missing <= 0, window.amount - len(times), resets, wait))
        return hits

    async def admit(self, account: str, windows: Sequence[Window], reservation: str, demand: Demand, ttl: float) -> Balances:
        """Put a request in flight if every balance holds what it needs."""
        now = self._sweep()
        found = self._account(account, now)
        reserved = demand.known + math.ceil(demand.answers * found.average)
        until_full = found.until_full(windows, now)
        needed = demand.needed + found.in_flight - _ROUNDING
        admitted = all(balance(window, seconds) >= needed for window, seconds in zip(windows, until_full, strict=True))
        if admitted:
            found.reservations[reservation] = (reserved, now + ttl)
            found.in_flight += reserved
        return Balances(admitted, reserved, found.in_flight, until_full)

    async def settle(
        self, account: str, windows: Sequence[Window], reservation: str, tokens: int, answer: float | None
    ) -> Balances:
        """Take what a request has cost."""
        now = self._sweep()
        found = self._account(account, now)
        found.drop(reservation)
        if tokens:
            for window in windows:
                found.full_at[window] = max(now, found.full_at.get(window, now)) + tokens * window.seconds / window.amount
        if answer is not None:
            found.average += (answer - found.average) * AVERAGE_WEIGHT
        return Balances(True, 0, found.in_flight, found.until_full(windows, now))

    async def close(self) -> None:
        """Nothing to close."""

    def _current(self, name: str, window: Window, now: float) -> list[float]:
        """Return the times of the requests that count in a window, the oldest first."""
        times = self._hits.get((name, window))
        if times is None:
            times = self._hits[name, window] = []
            self._ends[name, window] = now + window.seconds
        del times[: bisect_right(times, now - window.seconds)]
        return times

    def _account(self, name: str, now: float) -> _Account:
        found = self._accounts.get(name)
        if found is None:
            found = self._accounts[name] = _Account(now)
        found.advance(now)
        return found

    def _sweep(self) -> float:
        """Forget from time to time what no longer counts. Return the time."""
        now = self._clock()
        if now - self._swept_at >= SWEEP_INTERVAL:
            self._swept_at = now
            for key in [key for key, ends in self._ends.items() if ends <= now]:
                del self._ends[key], self._hits[key]
            for name in [name for name, account in self._accounts.items() if not account.matters(now)]:
                del self._accounts[name]
        return now


_NOW: Final = """
if redis.replicate_commands then redis.replicate_commands() end  -- Redis before 7 refuses to write after TIME otherwise
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local function exact(number) return string.format('%.17g', number) end
"""

_HIT: Final = (
    _NOW
    + """
-- KEYS: a list of times for each window, the newest first. ARGV: cost, then amount and seconds of each window.
local function window(i)
    local amount = tonumber(ARGV[2 * i])
    return amount, tonumber(ARGV[2 * i + 1]), math.min(tonumber(ARGV[1]), amount)
end
local admitted = true
local answer = {}
for i, key in ipairs(KEYS) do
    local amount, seconds, cost = window(i)
    local oldest = redis.call('LINDEX', key, -1)
    while oldest and tonumber(oldest) <= now - seconds do
        redis.call('RPOP', key)
        oldest = redis.call('LINDEX', key, -1)
    end
    if redis.call('LLEN', key) + cost > amount then admitted = false end
end
for i, key in ipairs(KEYS) do
    local amount, seconds, cost = window(i)
    local missing = redis.call('LLEN', key) + cost - amount
    if admitted then
        for _ = 1, cost do redis.call('LPUSH', key, exact(now)) end
        redis.call('EXPIRE', key, seconds + 1)
    end
    local wait, resets = 0, 0
    if missing > 0 then wait = tonumber(redis.call('LINDEX', key, -missing)) + seconds - now end
    local oldest = redis.call('LINDEX', key, -1)
    if oldest then resets = tonumber(oldest) + seconds - now end
    answer[i] = {missing <= 0 and 1 or 0, amount - redis.call('LLEN', key), exact(resets), exact(wait)}
end
return answer
"""
)

_ACCOUNT: Final = (
    _NOW
    + """
-- KEYS: the account, a hash: `average`; for each balance that is not full `full <amount>/<seconds>`, the time at which it will be;
-- for each running request `flight <reservation>`, its tokens and the time at which they are dropped at last.
local key, average, in_flight, last = KEYS[1], tonumber(ARGV[1]), 0, now + tonumber(ARGV[2])
local full_at = {}
local fields = redis.call('HGETALL', key)
local function drop(field) redis.call('HDEL', key, field) end
for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]
    if field == 'average' then
        average = tonumber(value)
    elseif string.sub(field, 1, 5) == 'full ' then
        if tonumber(value) <= now then drop(field) else full_at[field] = tonumber(value) end
        last = math.max(last, tonumber(value))
    else
        local tokens, expires = string.match(value, '^(%S+) (%S+)$')
        if tonumber(expires) <= now or field == 'flight ' .. ARGV[3] then
            drop(field)
        else
            in_flight = in_flight + tonumber(tokens)
            last = math.max(last, tonumber(expires))
        end
    end
end
local function name(i) return 'full ' .. ARGV[i] .. '/' .. ARGV[i + 1] end
local function keep()  -- 300 years at most: Redis refuses times that are too far away
    redis.call('EXPIRE', key, math.ceil(math.min(last - now, 1e10)) + 1)
end
local function answer(admitted, reserved)
    local found = {admitted and 1 or 0, exact(reserved), exact(in_flight)}
    for i = 7, #ARGV, 2 do table.insert(found, exact(math.max(0, (full_at[name(i)] or now) - now))) end
    return found
end
"""
)
"""What both scripts of tokens begin with. ARGV: average to begin with, seconds that an average is kept, reservation, three numbers
of the operation, then amount and seconds of each window.
"""

_ADMIT: Final = (
    _ACCOUNT
    + """
local demand = {}
for number in string.gmatch(ARGV[4], '%S+') do table.insert(demand, tonumber(number)) end
local reserved = demand[1] + math.ceil(demand[2] * average)
local needed = demand[3] + in_flight - tonumber(ARGV[6])
for i = 7, #ARGV, 2 do
    local amount, seconds = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    if amount - ((full_at[name(i)] or now) - now) * amount / seconds < needed then return answer(false, reserved) end
end
local expires = now + tonumber(ARGV[5])
redis.call('HSET', key, 'flight ' .. ARGV[3], exact(reserved) .. ' ' .. exact(expires))
in_flight = in_flight + reserved
last = math.max(last, expires)
keep()
return answer(true, reserved)
"""
)

_SETTLE: Final = (
    _ACCOUNT
    + """
local tokens = tonumber(ARGV[4])
if tokens > 0 then
    for i = 7, #ARGV, 2 do
        local amount, seconds = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
        local full = (full_at[name(i)] or now) + tokens * seconds / amount
        full_at[name(i)] = full
        redis.call('HSET', key, name(i), exact(full))
        last = math.max(last, full)
    end
end
if ARGV[5] ~= '' then
    redis.call('HSET', key, 'average', exact(average + (tonumber(ARGV[5]) - average) * tonumber(ARGV[6])))
end
keep()
return answer(true, 0)
"""
)


class RedisStorage:
    """See `Storage`: one script for each operation, with the clock of the Redis. Nothing stays there for ever."""

    remote = True

    def __init__(self, address: str) -> None:
        from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415 - takes 400 ms, and few operators have one

        self._pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType] - half typed there
            address,
            max_connections=MAX_CONNECTIONS,
            timeout=POOL_TIMEOUT,
            socket_timeout=READ_TIMEOUT,
            socket_connect_timeout=READ_TIMEOUT,
        )
        client = Redis(connection_pool=self._pool)
        self._hit, self._admit, self._settle = [client.register_script(script) for script in (_HIT, _ADMIT, _SETTLE)]

    async def hit(self, name: str, windows: Sequence[Window], cost: int) -> list[Hit]:
        """Count a request."""
        keys = [f"chromagent:requests:{{{name}}}:{window.amount}/{window.seconds}" for window in windows]
        answer = await _run(self._hit, keys, [cost, *_flat(windows)])
        return [Hit(admitted == 1, left, float(resets), float(wait)) for admitted, left, resets, wait in answer]

    async def admit(self, account: str, windows: Sequence[Window], reservation: str, demand: Demand, ttl: float) -> Balances:
        """Put a request in flight if every balance holds what it needs."""
        numbers = " ".join(map(str, demand))
        return await self._operate(self._admit, account, windows, [reservation, numbers, ttl, _ROUNDING])

    async def settle(
        self, account: str, windows: Sequence[Window], reservation: str, tokens: int, answer: float | None
    ) -> Balances:
        """Take what a request has cost."""
        learned = "" if answer is None else answer
        return await self._operate(self._settle, account, windows, [reservation, tokens, learned, AVERAGE_WEIGHT])

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()

    async def _operate(
        self, script: "AsyncScript", account: str, windows: Sequence[Window], arguments: list[str | float]
    ) -> Balances:
        values = [START_AVERAGE, AVERAGE_TTL, *arguments, *_flat(windows)]
        admitted, reserved, in_flight, *until_full = await _run(script, [f"chromagent:tokens:{{{account}}}"], values)
        seconds = tuple([float(value) for value in until_full])
        return Balances(admitted == 1, int(float(reserved)), int(float(in_flight)), seconds)


def _flat(windows: Sequence[Window]) -> list[int]:
    return [number for window in windows for number in window]


async def _run(script: "AsyncScript", keys: list[str], values: Sequence[str | float]) -> list[Any]:
    return cast("list[Any]", await script(keys=keys, args=list(values)))
