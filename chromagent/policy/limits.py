"""The gateway's own limits: requests per address, requests and tokens per key (docs/adr/0009).

`Limiter` knows the rules, the errors and the headers; `limit_storages` does the counting. A request whose tokens are limited is
reserved before the upstream is called, with what it is estimated to need, and settled once, with what it has cost.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from chromagent import telemetry
from chromagent.errors import InvalidRequest, LimiterUnavailable, RateLimited, TokensLimited
from chromagent.policy.limit_storages import Balances, Demand, Hit, Storage, balance, open_storage
from chromagent.schema import rates
from chromagent.schema.rates import Window

if TYPE_CHECKING:
    from chromagent.schema.chat import TokenEstimate

T = TypeVar("T")

WARNING_INTERVAL: Final = 10.0
"""Seconds between log lines about a storage that is unavailable."""
SETTLE_MARGIN: Final = 60.0
"""Seconds beyond the timeout of a request after which its reservation is dropped: its instance died."""


class LimitRules(Struct, frozen=True):
    """What the operator set; rates as in `schema.rates`, None where there is no limit."""

    per_ip: str | None = None
    per_key: str | None = None
    tokens_per_key: str | None = None
    storage: str = "memory://"
    open_when_away: bool = True
    """Whether callers are let in while the storage is unavailable, or refused."""
    weights: Mapping[str, int] = {}
    """How many requests one request of a route counts as; 1 where a route is not named."""
    reserve_full: bool = False
    """Whether the balance must hold the most that a request can cost, and not only one token."""
    timeout: float = 600.0
    """Seconds that a request takes at most."""


class Reservation(Struct, frozen=True):
    """A request that is in flight: whose, under which rates, and what it was estimated to need."""

    id: str
    account: str
    windows: tuple[Window, ...]
    prompt: int
    """Tokens of its prompt, estimated."""
    tokens: int
    """Tokens of prompt and answers, estimated."""
    choices: int


class Limiter:
    """Counts. Every method admits the caller, raises `RateLimited`, or raises `LimiterUnavailable` where that is configured."""

    def __init__(self, rules: LimitRules, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._clock = clock
        self._storage: Storage | None = None
        self._windows: dict[str, tuple[Window, ...]] = {}
        self._warned_at = float("-inf")
        self._settling: set[asyncio.Task[Balances | None]] = set()
        """The event loop itself holds tasks by weak references only."""

    async def admit_address(self, address: str, route: str) -> None:
        """Count a request of an address."""
        if self.rules.per_ip:
            await self._count(self.rules.per_ip, f"ip:{address}", route)

    async def admit_key(self, account: str, rate: str | None, route: str) -> dict[str, str]:
        """Count a request of a key under its own rate or that of all keys; return OpenAI's headers of what is left."""
        rate = rate or self.rules.per_key
        return await self._count(rate, f"key:{account}", route) if rate else {}

    async def reserve(self, account: str, rate: str | None, estimate: "TokenEstimate") -> tuple[Reservation | None, dict[str, str]]:
        """Put a request in flight under its key's own rate of tokens or that of all keys; return OpenAI's headers too.

        Raises `TokensLimited`, or `InvalidRequest` for a request without a maximum where the most that it can cost must be known.
        """
        rate = rate or self.rules.tokens_per_key
        if not rate:
            return None, {}
        windows = self._parsed(rate)
        found = await self._guarded(lambda: self._reserve(account, windows, estimate))
        return found or (None, {})

    async def settle(self, reservation: Reservation, tokens: int, *, complete: bool) -> dict[str, str]:
        """Take what a request has cost; return OpenAI's headers of what is left. Call it once for each reservation.

        `complete` answers teach what an answer of this key costs. Raises nothing, and continues where the request is cancelled:
        clients leave just then.
        """
        work = self._guarded(lambda: self._settle(reservation, tokens, complete=complete))
        try:
            balances = await (self._shielded(work) if self._open().remote else work)
        except LimiterUnavailable:
            return {}
        return _tokens_left(reservation.windows, balances) if balances else {}

    async def close(self) -> None:
        """Close the connections to the storage."""
        if self._storage is not None:
            await self._storage.close()

    async def _count(self, rate: str, name: str, route: str) -> dict[str, str]:
        cost = self.rules.weights.get(route, 1)
        if not cost:
            return {}
        windows = self._parsed(rate)
        hits = await self._guarded(lambda: self._open().hit(name, windows, cost))
        return {} if hits is None else _admitted(windows, hits)

    async def _reserve(
        self, account: str, windows: tuple[Window, ...], estimate: "TokenEstimate"
    ) -> tuple[Reservation, dict[str, str]]:
        if self.rules.reserve_full:
            cost = _maximum_cost(windows, estimate)
            demand = Demand(known=cost, answers=0, needed=cost)
        elif estimate.answer is None:
            demand = Demand(known=estimate.prompt, answers=estimate.choices, needed=1)
        else:
            demand = Demand(known=estimate.prompt + estimate.answer * estimate.choices, answers=0, needed=1)
        reservation = secrets.token_hex(8)
        ttl = self.rules.timeout + SETTLE_MARGIN
        balances = await self._open().admit(account, windows, reservation, demand, ttl)
        if not balances.admitted:
            raise _refused(windows, balances, demand.needed)
        headers = _tokens_left(windows, balances)
        return Reservation(reservation, account, windows, estimate.prompt, balances.reserved, estimate.choices), headers

    async def _settle(self, reservation: Reservation, tokens: int, *, complete: bool) -> Balances:
        answer = max(0, tokens - reservation.prompt) / reservation.choices if complete else None
        return await self._open().settle(reservation.account, reservation.windows, reservation.id, max(0, tokens), answer)

    async def _shielded(self, work: Awaitable[Balances | None]) -> Balances | None:
        task = asyncio.ensure_future(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return await asyncio.shield(task)

    def _open(self) -> Storage:
        if self._storage is None:
            self._storage = open_storage(self.rules.storage, self._clock)
        return self._storage

    def _parsed(self, rate: str) -> tuple[Window, ...]:
        if rate not in self._windows:
            self._windows[rate] = rates.parse(rate)
        return self._windows[rate]

    async def _guarded(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do the work; None where the storage is unavailable and callers are let in then."""
        try:
            return await work()
        except (RateLimited, InvalidRequest):
            raise
        except Exception as error:
            now = self._clock()
            if now - self._warned_at >= WARNING_INTERVAL:
                self._warned_at = now
                consequence = "callers are let in" if self.rules.open_when_away else "callers are refused"
                telemetry.write_warning(f"the storage of rate limits is away: {consequence}", {"reason": type(error).__name__})
            if self.rules.open_when_away:
                return None
            raise LimiterUnavailable from error


def _admitted(windows: Sequence[Window], hits: Sequence[Hit]) -> dict[str, str]:
    """Return the headers of a request that was counted. Raises `RateLimited`, by the window that takes longest."""
    window, hit = max(zip(windows, hits, strict=True), key=lambda pair: pair[1].wait)
    if not hit.admitted:
        error = RateLimited(
            f"Rate limit of {window} reached. Try again in {_duration(hit.wait)}.", retry_after=hit.wait, retryable=False
        )
        error.headers = _headers("requests", window, hit.left, hit.resets)
        raise error
    window, hit = min(zip(windows, hits, strict=True), key=lambda pair: pair[1].left)
    return _headers("requests", window, hit.left, hit.resets)


def _maximum_cost(windows: Sequence[Window], estimate: "TokenEstimate") -> int:
    """Return the most that a request can cost. Raises `InvalidRequest` where that is unknown, `TokensLimited` where no balance ever
    holds so much.
    """
    if estimate.answer is None:
        message = (
            "'max_completion_tokens' is required: this gateway admits a request only if the most that it can cost fits into the "
            "tokens that are left."
        )
        raise InvalidRequest(message, param="max_completion_tokens", code="missing_required_parameter")
    cost = estimate.prompt_maximum + estimate.answer * estimate.choices
    window = min(windows, key=lambda window: window.amount)
    if cost > window.amount:
        error = TokensLimited(
            f"This request can cost up to {cost} tokens, more than the token limit of {window}. "
            "Lower max_completion_tokens or n, or shorten the messages.",
            retryable=False,
        )
        error.headers = {"x-should-retry": "false"}
        raise error
    return cost


def _refused(windows: Sequence[Window], balances: Balances, needed: int) -> TokensLimited:
    """Return the error of the balance that takes longest until it holds what the request needs."""

    def wait(window: Window, seconds: float) -> float:
        """Seconds of refilling. Where what is in flight fills the whole window, a running request has to end first."""
        goal = needed + balances.in_flight
        refilled = (min(goal, window.amount) - balance(window, seconds)) * window.seconds / window.amount
        return max(refilled, 0.0 if goal <= window.amount else 1.0)

    window, seconds = max(zip(windows, balances.until_full, strict=True), key=lambda pair: wait(*pair))
    used = math.ceil(window.amount - balance(window, seconds))
    longest = wait(window, seconds)
    message = f"Token limit of {window} reached: {used} used, {balances.in_flight} in flight"
    message += f", {needed} needed" if needed > 1 else ""
    error = TokensLimited(f"{message}. Try again in {_duration(longest)}.", retry_after=longest, retryable=False)
    error.headers = _tokens_left([window], balances._replace(until_full=(seconds,)))
    return error


def _tokens_left(windows: Sequence[Window], balances: Balances) -> dict[str, str]:
    """Return the headers of the tightest balance, as if what is in flight had been taken already."""
    left = [balance(window, seconds) - balances.in_flight for window, seconds in zip(windows, balances.until_full, strict=True)]
    window, tokens = min(zip(windows, left, strict=True), key=lambda pair: pair[1])
    until_full = (window.amount - tokens) * window.seconds / window.amount
    return _headers("tokens", window, math.floor(tokens + 0.001), until_full)


def _headers(kind: str, window: Window, remaining: int, reset: float) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(window.amount),
        f"x-ratelimit-remaining-{kind}": str(max(0, remaining)),
        f"x-ratelimit-reset-{kind}": _duration(reset),
    }


def _duration(seconds: float) -> str:
    """Write seconds as OpenAI does: 20ms, 1s, 6m0s."""
    seconds = round(seconds, 6)  # clocks that count many seconds are not exact below that
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
