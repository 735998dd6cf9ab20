"""Who gets in: the limit of an address, then the key, then the limit of the key. Hides the order, and where an address stands."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from msgspec import Struct

from chromagent.errors import GatewayError
from chromagent.policy.authentication import ANONYMOUS, Authenticator, Caller
from chromagent.policy.concurrency import ConcurrentRequests
from chromagent.policy.limits import Limiter, Reservation

if TYPE_CHECKING:
    from chromagent.schema.chat import TokenEstimate


class Admission(Struct):
    """One request that was let in."""

    caller: Caller
    share_holder: str
    """Whose part of this instance the request uses: the caller's id, or the client's address where callers are anonymous."""
    headers: dict[str, str] = {}
    """OpenAI's `x-ratelimit-*` headers."""
    reservation: Reservation | None = None


class Door:
    """Lets requests in, before anything else of them is looked at."""

    def __init__(
        self, authenticate: Authenticator, limiter: Limiter, *, trusted_hops: int = 0, concurrent_per_key: int = 60
    ) -> None:
        self._authenticate = authenticate
        self._limiter = limiter
        self._trusted_hops = trusted_hops
        self._concurrent_per_key = concurrent_per_key
        self._concurrent = ConcurrentRequests()

    async def admit(self, headers: Mapping[str, str], peer: str, route: str) -> Admission:
        """Return the admission. Raises `RateLimited`, `MissingApiKey`, `InvalidApiKey` or `Misconfigured`."""
        if self._limiter.rules.per_ip:
            await self._limiter.admit_address(client_address(headers, peer, self._trusted_hops), route)
        caller = await self._authenticate(headers)
        try:
            told = await self._limiter.admit_key(caller.limits_id, caller.requests, route)
        except GatewayError as error:
            error.caller_id = caller.id
            raise
        holder = f"ip:{client_address(headers, peer, self._trusted_hops)}" if caller is ANONYMOUS else caller.id
        return Admission(caller, holder, told)

    def running(self, admission: Admission) -> AbstractContextManager[None]:
        """Count the request among those that run now, until its answer has ended. Raises `RateLimited`."""
        return self._concurrent.one(admission.share_holder, admission.caller.concurrent or self._concurrent_per_key)

    def counts_tokens(self, admission: Admission) -> bool:
        """Say whether anybody counts this caller's tokens."""
        return bool(admission.caller.tokens or self._limiter.rules.tokens_per_key)

    async def reserve(self, admission: Admission, estimate: "TokenEstimate") -> None:
        """Reserve tokens of the caller's balance. Raises `TokensLimited` or `InvalidRequest`."""
        caller = admission.caller
        admission.reservation, headers = await self._limiter.reserve(caller.limits_id, caller.tokens, estimate)
        admission.headers |= headers

    async def settle(self, reservation: Reservation, tokens: int, *, complete: bool) -> dict[str, str]:
        """Take what a request has cost; return OpenAI's headers of what is left. Never raises."""
        return await self._limiter.settle(reservation, tokens, complete=complete)


def client_address(headers: Mapping[str, str], peer: str, trusted_hops: int) -> str:
    """Return the address that a request came from: that of the connection, or what the last trusted proxy wrote down.

    Proxies append to `X-Forwarded-For`, so what stands left of the trusted ones is the client's own word (gcp-platform §1.4).
    """
    if trusted_hops == 0:
        return _subscriber(peer)
    chain = [entry.strip() for entry in headers.get("x-forwarded-for", "").split(",") if entry.strip()]
    return _subscriber(chain[-trusted_hops] if len(chain) >= trusted_hops else peer)


def _subscriber(address: str) -> str:
    """Return what stands for all addresses of one subscriber: of IPv6 the first 64 bits, as everybody has the others to choose."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
